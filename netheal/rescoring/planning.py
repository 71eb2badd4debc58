"""The plan of a new run."""

from datetime import UTC, datetime

from netheal.bundles.served import ServedBundle
from netheal.contracts import contracts_in_force
from netheal.errors import SettingsError
from netheal.healing.policy import read_document
from netheal.rescoring.inputs import file_units, find_inputs
from netheal.rescoring.models import ACTIVE, Bundles, models_in_force, with_named
from netheal.rescoring.plan import Request, RunPlan, Unit
from netheal.settings import Settings
from netheal.store.delta import DeltaLog, verdicts_layout

STORED_VERDICTS = "the stored verdicts"
_STORED_ROWS = 200_000


def new_plan(settings: Settings, run_id: str, request: Request) -> tuple[RunPlan, list[ServedBundle]]:
    """What is to be done, and the models that it is done with.

    Raises SettingsError for inputs or models that are not there, BundleError for a model that is refused.
    """
    inputs = [] if request.stored else find_inputs(request.inputs)
    active = models_in_force(settings)
    models = with_named(active, request.models)
    compared = None if request.compare is None else _compared(models, active, request.compare)
    bundles = [*models.values(), *(compared or {}).values()]
    units, errors = (
        (stored_units(settings, request.since), {})
        if request.stored
        else file_units(inputs, contracts_in_force(bundle.contract for bundle in bundles))
    )
    plan = RunPlan(
        run_id=run_id,
        started_at=datetime.now(UTC),
        request=request,
        inputs=inputs,
        units=units,
        errors=errors,
        models=_hashes(models),
        policy=read_document(settings.paths.policy_path),
        compared=None if compared is None else _hashes(compared),
        compared_with=_compared_with(request, compared),
    )
    return plan, bundles


def stored_units(settings: Settings, since: datetime | None) -> list[Unit]:
    """The parts of the stored verdicts, together until they have some 200,000 rows.

    Raises SettingsError where there are none.
    """
    log = DeltaLog(verdicts_layout(), settings.paths.delta_root)
    units: list[Unit] = []
    paths: list[str] = []
    rows = size = 0
    parts = log.parts_since(since)
    for place, (path, part_rows, part_bytes) in enumerate(parts, 1):
        paths, rows, size = [*paths, path], rows + part_rows, size + part_bytes
        if rows >= _STORED_ROWS or place == len(parts):
            units.append(Unit(len(units), paths, size))
            paths, rows, size = [], 0, 0
    if not units:
        told = "" if since is None else f" recorded at {since:%Y-%m-%d %H:%M} or later"
        raise SettingsError(f"there are no stored rows{told} in {log.uri}")
    return units


def _compared(models: Bundles, active: Bundles, name: str) -> Bundles:
    """The models with another one: the active ones, or a bundle in the place of the one of its type."""
    compared = active if name == ACTIVE else with_named(models, [name])
    if _hashes(compared) == _hashes(models):
        raise SettingsError("--compare names the model that scores: give one that differs, or another --model")
    return compared


def _compared_with(request: Request, compared: Bundles | None) -> str | None:
    if compared is not None:
        return ", ".join(sorted(bundle.manifest.version for bundle in compared.values()))
    return STORED_VERDICTS if request.stored else None


def _hashes(bundles: Bundles) -> dict[str, str]:
    return {contract_id: bundle.hash for contract_id, bundle in sorted(bundles.items())}
