"""The models of a run: those named, beside them the active ones of the registry, or else the starter models."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from netheal.bundles.intake.examine import SUFFIXES, ExaminationRequest, Examined
from netheal.bundles.intake.sandbox import examine_file
from netheal.bundles.served import ServedBundle, read_served
from netheal.contracts import MODEL_TYPES, ModelType
from netheal.embedded.running import settings_of_running
from netheal.errors import BundleError, ServiceUnavailable, SettingsError
from netheal.registry.artefacts import Artefacts
from netheal.registry.models import active_models
from netheal.registry.starters import examined_starter, starter_folders
from netheal.settings import Settings
from netheal.store.database import connect, transaction
from netheal.telemetry import emit

ACTIVE = "active"
Bundles = Mapping[str, ServedBundle]
"""Contract id -> the model that takes it, at most one a type."""


def models_in_force(settings: Settings) -> Bundles:
    """The registry's active models; where none is reachable, the starter models."""
    dsn = settings_of_running(settings).postgres.dsn.get_secret_value()
    if dsn:
        try:
            connection = connect(dsn)
        except ServiceUnavailable as error:
            emit("registry.away", reason=str(error))
        else:
            try:
                with transaction(connection) as cursor:
                    found = active_models(cursor)
            finally:
                connection.close()
            artefacts = Artefacts(settings.paths.artefacts_dir)
            return {model.contract_id: artefacts.load(model.bundle_hash) for model in found}
    cache = settings.paths.examinations_dir
    folders = starter_folders(settings.paths.starter_models_dir)
    bundles = [examined_starter(folder, read_served(folder), cache)[0] for folder in folders]
    return {bundle.contract.id: bundle for bundle in bundles}


def with_named(models: Bundles, named: Sequence[str]) -> Bundles:
    """The models, those that are named in the place of others of their types; raises BundleError or SettingsError."""
    found = dict(models)
    for name in named:
        bundle = named_bundle(name)
        of_type = bundle.manifest.model_type
        found = {key: other for key, other in found.items() if other.manifest.model_type != of_type}
        found[bundle.contract.id] = bundle
    if not found:
        raise SettingsError("no model is active: activate one, or name one with --model")
    return found


def named_bundle(name: str) -> ServedBundle:
    """The served form of a bundle from outside: a file or a folder with one, `TYPE=` before it where both types fit.

    It is examined in its confined process, and never loaded. Raises BundleError where it is refused, SettingsError
    where there is none.
    """
    before, sign, after = name.partition("=")
    types: tuple[ModelType, ...] = tuple(kind for kind in MODEL_TYPES if sign and before == kind) or MODEL_TYPES
    path = Path(after if len(types) == 1 else name)
    source, profile = _source(path)
    examined = [examine_file(source, ExaminationRequest(source.suffix.lower(), kind, profile)) for kind in types]
    bundles = [found.bundle for found in examined if found.bundle is not None]
    if len(bundles) == 1:
        return bundles[0]
    if bundles:
        raise SettingsError(f"{path} may be of more than one type: give {' or '.join(f'{t}={path}' for t in types)}")
    raise _refusal(source, types, examined)


def _refusal(
    source: Path, types: Sequence[ModelType], examined: Sequence[Examined]
) -> BundleError | ServiceUnavailable:
    if any(found.interrupted for found in examined):
        return ServiceUnavailable(f"{source} could not be examined now: {examined[0].report.reason}")
    told = "; ".join(f"as {kind}: {found.report.reason}" for kind, found in zip(types, examined, strict=True))
    return BundleError(f"the model {source} was refused, {told}")


def _source(path: Path) -> tuple[Path, bytes | None]:
    """The bundle, and the profile that lies beside it, if one does."""
    if not path.exists():
        raise SettingsError(f"there is no model file or folder {path}")
    sources = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    if len(sources) != 1:
        raise SettingsError(f"{path} has {len(sources)} files that end in {', '.join(SUFFIXES)}: name one of them")
    folder = path if path.is_dir() else path.parent
    profiles = sorted(folder.glob("*_profile.json"))
    own = sources[0].with_name(f"{sources[0].stem}_profile.json")
    profile = own if own in profiles else profiles[0] if path.is_dir() and len(profiles) == 1 else None
    return sources[0], None if profile is None else profile.read_bytes()
