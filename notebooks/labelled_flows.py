"""Labelled rows for the notebooks: generated, or of the public files in the folder that the settings name."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from second_meter import by_second_meter
from sklearn.preprocessing import LabelEncoder

from netheal.bundles.served import ServedBundle
from netheal.contracts import attack_classes, contract
from netheal.errors import SettingsError
from netheal.settings import Settings
from netheal.traffic.generator import profile_table
from netheal.traffic.profiles import Matrix, Profile, shipped_profile
from research import connections
from research.datasets import Rows, connection_rows, flow_rows
from research.flows import LABEL, METER, read_flows
from research.tables import Dropped

FLOW_FILES = {
    "original meter": "cic-ids2017/original_90k.parquet",
    "other meter": "cic-ids2017/improved_25k.parquet",
}
CONNECTION_FILES = {"KDDTrain+": "nsl-kdd/KDDTrain+.txt.gz", "KDDTest+": "nsl-kdd/KDDTest+.txt.gz"}
_BENIGN_SHARE = 0.7
_TEST_ONLY = ("back", "guess_passwd", "teardrop", "warezclient")
"""Attacks that the generated test part alone has; most of them hide among normal connections."""
_MIXED_SHARES = {"normal": 0.15, "attack": 0.8}
"""Of the test part's normal rows and of those attacks, how many take some features from a row of the other kind."""
_BORROWED_SHARES = {"normal": 0.3, "attack": 0.7}
"""How many features these take."""


def public_file(settings: Settings, name: str) -> Path:
    """A file under `notebook_data`; raises SettingsError where it is not there."""
    path = Path(settings.notebooks.data) / name
    if not path.is_file():
        raise SettingsError(
            f"there is no {path}: NETHEAL_NOTEBOOK_DATA names a folder with cic-ids2017/ and nsl-kdd/, or one with the"
            " Delta tables of a netheal (notebooks 01, 04 and 06), or nothing, for generated traffic"
        )
    return path


def flows_by_meter(settings: Settings) -> dict[str, Rows]:
    """Flows of attack/v1 with their class, by the meter that measured them."""
    wanted = contract("attack/v1")
    if settings.notebooks.data:
        paths = {meter: public_file(settings, name) for meter, name in FLOW_FILES.items()}
        return {meter: flow_rows(read_flows(path), wanted, path, Dropped()) for meter, path in paths.items()}
    frames = {meter: generated_flows(settings.notebooks.rows // 2, seed) for seed, meter in enumerate(FLOW_FILES)}
    columns = {str(name): column for name, column in frames["other meter"].items()}
    frames["other meter"] = pd.DataFrame(by_second_meter(columns))
    return {
        meter: flow_rows(frame.assign(**{METER: meter}), wanted, Path(f"generated, {meter}"), Dropped())
        for meter, frame in frames.items()
    }


def generated_flows(rows: int, seed: int) -> pd.DataFrame:
    """Features of attack/v1 by wire name, and `Label`: seven tenths benign, the rest attacks of every class."""
    random, profile = np.random.default_rng(seed), shipped_profile("attack")
    attacks = [name for name in profile.classes if name != attack_classes().benign]
    labels = np.where(random.random(rows) < _BENIGN_SHARE, attack_classes().benign, random.choice(attacks, rows))
    values = profile.sample(random, labels.tolist())
    return pd.DataFrame(values, columns=list(profile.features)).assign(**{LABEL: labels})


def connections_by_part(settings: Settings, bundle: ServedBundle) -> dict[str, Rows]:
    """Connections of the bundle's contract with their attack's name or `normal`, by the part of NSL-KDD."""
    encoders = {name: _encoder(known) for name, known in bundle.manifest.encoders.items()}
    if settings.notebooks.data:
        paths = {part: public_file(settings, name) for part, name in CONNECTION_FILES.items()}
        frames = {part: connections.read_connections(path) for part, path in paths.items()}
    else:
        paths = {part: Path(f"generated {part}") for part in CONNECTION_FILES}
        rows = settings.notebooks.rows // 2
        frames = {"KDDTrain+": _generated_training(rows), "KDDTest+": _generated_test(rows)}
    return {
        part: connection_rows(frame, encoders, bundle.contract, paths[part], Dropped())
        for part, frame in frames.items()
    }


def _encoder(known: list[str]) -> LabelEncoder:
    encoder = LabelEncoder()
    encoder.classes_ = np.array(known, dtype=object)
    return encoder


def _generated_training(rows: int) -> pd.DataFrame:
    """Half of them normal, the rest attacks that are not left to the test part."""
    random, profile = np.random.default_rng(1), shipped_profile("threat")
    labels = _connection_labels(random, profile, rows, leave_out=_TEST_ONLY)
    return _connection_frame(profile, profile.sample(random, labels.tolist()), labels)


def _generated_test(rows: int) -> pd.DataFrame:
    """Half of them normal, the rest attacks of every kind; some rows look in most features like the other kind."""
    random, profile = np.random.default_rng(2), shipped_profile("threat")
    labels = _connection_labels(random, profile, rows)
    normal = labels == connections.NORMAL
    others = np.where(normal, random.choice(_attacks(profile), rows), connections.NORMAL)
    shares = np.where(normal, _MIXED_SHARES["normal"], np.isin(labels, _TEST_ONLY) * _MIXED_SHARES["attack"])
    taken = np.where(normal, _BORROWED_SHARES["normal"], _BORROWED_SHARES["attack"])[:, None]
    borrowed = (random.random(rows) < shares)[:, None] & (random.random((rows, len(profile.features))) < taken)
    own, other = (profile.sample(random, names.tolist()) for names in (labels, others))
    return _connection_frame(profile, np.where(borrowed, other, own), labels)


def _attacks(profile: Profile) -> list[str]:
    return [name for name in profile.classes if name != connections.NORMAL]


def _connection_labels(
    random: np.random.Generator, profile: Profile, rows: int, leave_out: tuple[str, ...] = ()
) -> NDArray[np.str_]:
    attacks = [name for name in _attacks(profile) if name not in leave_out]
    return np.where(random.random(rows) < 0.5, connections.NORMAL, random.choice(attacks, rows))


def _connection_frame(profile: Profile, values: Matrix, labels: NDArray[np.str_]) -> pd.DataFrame:
    frame: pd.DataFrame = profile_table(profile, values, profile.features).to_pandas()
    return frame.assign(**{connections.LABEL: labels})
