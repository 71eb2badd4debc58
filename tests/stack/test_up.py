"""`netheal up` on real traffic: every row comes out of every sink, and verdicts are what the models say."""

import csv
import gzip
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import pytest

from netheal.contracts import attack_classes, contract
from netheal.onnx_runtime import onnxruntime
from netheal.records.encode import encode_rows
from netheal.records.flow_files import NSL_KDD_COLUMNS, read_flow_file
from netheal.settings import PROJECT_ROOT
from tests.deadlines import DEADLINE_S
from tests.stack.exactly_once import assert_exactly_once
from tests.stack.harness import NETHEAL, Record, left_behind, reopened

pytestmark = pytest.mark.stack

MODELS = PROJECT_ROOT / "research" / "models"
PARQUET_ROWS = 4_000
NSL_ROWS = 2_000
REPORT_KEYS = {
    "sent",
    "verdicts_delta",
    "verdicts_postgres",
    "messages_output",
    "rejected",
    "duplicates_delta",
    "duplicates_postgres",
    "duplicates_output",
    "attacks",
    "rows_per_s",
    "latency_ms",
}


@dataclass(frozen=True)
class Sample:
    """A file that was sent: its rows as an independent reader sees them, and as messages, in the same order."""

    features: pd.DataFrame
    messages: list[bytes]


def up(var: Path, *files: Path) -> dict[str, Any]:
    """`netheal up` to its end; the report. Nothing of it may be left running."""
    argv = [*NETHEAL, "up", "--var", str(var), "--drain", "--json", "--traffic", *map(str, files)]
    done = subprocess.run(argv, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not left_behind(var)
    return json.loads(done.stdout.splitlines()[-1])


def assert_report(report: dict[str, Any], sent: int) -> None:
    assert report.keys() == REPORT_KEYS
    assert report["sent"] == sent
    assert report["verdicts_delta"] == report["verdicts_postgres"] == report["messages_output"]
    assert report["sent"] == report["verdicts_delta"] + sum(report["rejected"].values())
    assert [report[f"duplicates_{sink}"] for sink in ("delta", "postgres", "output")] == [0, 0, 0]
    assert report["rows_per_s"] > 0
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p95"] <= report["latency_ms"]["p99"]


def messages_of(path: Path) -> list[bytes]:
    return [message for table in read_flow_file(path) for message in encode_rows(table)]


def by_sample(verdicts: pa.Table, records: Sequence[Record], sample: Sample) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """The verdicts on a sample's rows, and the row of the file that each is about.

    Rows whose messages are equal to the byte are handed out in turn.
    """
    rows: dict[bytes, list[int]] = {}
    for row, message in enumerate(sample.messages):
        rows.setdefault(message, []).append(row)
    place = {}
    for record in records:
        left = rows.get(record.value or b"")
        if left:
            place[record.offset * 1024 + record.partition] = left.pop()
    assert len(place) == len(sample.messages), "not every row of the file is in the topic"
    mine = verdicts.filter(pc.is_in(verdicts["event_id"], pa.array(list(place))))
    return mine, np.array([place[event] for event in mine["event_id"].to_pylist()])


def bits(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.ascontiguousarray(values, dtype=np.float64).view(np.int64)


def assert_attack_verdicts(verdicts: pa.Table, records: Sequence[Record], sample: Sample) -> None:
    """Features are the file's to the bit, classes and confidences scikit-learn's on the original bundle."""
    wire = contract("attack/v1")
    raw = sample.features[list(wire.names)].to_numpy(np.float64)
    cleaned = np.where(np.isinf(raw), 0.0, raw)
    low, high = np.array([(f.minimum, f.maximum) for f in wire.features]).T
    sound = ~np.isnan(cleaned).any(axis=1) & (cleaned >= low).all(axis=1) & (cleaned <= high).all(axis=1)
    mine, rows = by_sample(verdicts, records, sample)
    assert sorted(rows) == np.flatnonzero(sound).tolist()
    stored = np.column_stack([mine[feature.column].to_numpy() for feature in wire.features])
    np.testing.assert_array_equal(bits(stored), bits(cleaned[rows]))

    bundle = joblib.load(MODELS / "attack_classifier" / "attack_classifier.joblib")
    artifacts, tree = bundle["artifacts"], bundle["model"]
    assert list(artifacts["feature_columns"]) == list(wire.names)
    scaled = artifacts["scaler"].transform(cleaned[rows])
    names = [attack_classes().canonical(name) for name in artifacts["label_encoder"].inverse_transform(tree.classes_)]
    probabilities = tree.predict_proba(scaled)
    assert mine["attack_class"].to_pylist() == [names[at] for at in probabilities.argmax(axis=1)]
    np.testing.assert_allclose(mine["attack_confidence"].to_numpy(), probabilities.max(axis=1), rtol=0, atol=1e-6)


def assert_threat_verdicts(verdicts: pa.Table, records: Sequence[Record], sample: Sample) -> None:
    """Scores are the served graph's on features that are encoded here, with the bundle's own words."""
    manifest = json.loads((MODELS / "threat_detector" / "manifest.json").read_text("utf-8"))
    wire = contract("threat/v1")
    columns = []
    for name in wire.names:
        column = sample.features[name]
        if name in manifest["encoders"]:
            codes = {word: float(code) for code, word in enumerate(manifest["encoders"][name])}
            column = column.map(codes)
        columns.append(column.to_numpy(np.float64))
    matrix = np.column_stack(columns)
    mine, rows = by_sample(verdicts, records, sample)
    assert sorted(rows) == np.flatnonzero(~np.isnan(matrix).any(axis=1)).tolist()
    stored = np.column_stack([mine[feature.column].to_numpy() for feature in wire.features])
    np.testing.assert_array_equal(bits(stored), bits(matrix[rows]))
    for name in manifest["encoders"]:
        if name in wire.names:
            assert mine[f"{name}_category"].to_pylist() == sample.features[name].iloc[rows].tolist()
    session = onnxruntime.InferenceSession(str(MODELS / "threat_detector" / "model.onnx"))
    (scores,) = session.run(["score"], {"features": matrix[rows]})
    np.testing.assert_allclose(mine["threat_score"].to_numpy(), scores, rtol=0, atol=1e-6)
    assert mine["threat_is_attack"].to_pylist() == (mine["threat_score"].to_numpy() >= manifest["threshold"]).tolist()


def reference(shared_data: Path) -> tuple[Path, Sample]:
    path = shared_data / "cic-ids2017" / "reference_12006.csv.gz"
    return path, Sample(pd.read_csv(path, float_precision="round_trip"), messages_of(path))


def first_of_the_90k(shared_data: Path, folder: Path) -> tuple[Path, Sample]:
    path = folder / "first.parquet"
    source = pyarrow.parquet.ParquetFile(shared_data / "cic-ids2017" / "original_90k.parquet")
    table = pa.Table.from_batches([next(source.iter_batches(PARQUET_ROWS))])
    pyarrow.parquet.write_table(table, path)
    return path, Sample(table.to_pandas(), messages_of(path))


def nsl_kdd(shared_data: Path, folder: Path) -> tuple[Path, Sample, int]:
    """The first rows of KDDTest+, every hundredth with a service that nobody knows; how many these are."""
    with gzip.open(shared_data / "nsl-kdd" / "KDDTest+.txt.gz", "rt") as source:
        rows = list(csv.reader(source))[:NSL_ROWS]
    for row in rows[::100]:
        row[2] = "no_such_service"
    path = folder / "nsl.txt.gz"
    path.write_bytes(gzip.compress("".join(",".join(row) + "\n" for row in rows).encode()))
    frame = pd.DataFrame(rows, columns=NSL_KDD_COLUMNS[: len(rows[0])])
    return path, Sample(frame, messages_of(path)), len(rows[::100])


@pytest.mark.slow
def test_real_traffic_comes_out_of_every_sink_as_the_models_say(
    shared_data: Path, var_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETHEAL_DRIVER_MEMORY", "1g")
    csv_path, from_csv = reference(shared_data)
    report = up(var_folder, csv_path)
    assert_report(report, len(from_csv.messages))
    assert report["sent"] == 12_006

    parquet_path, from_parquet = first_of_the_90k(shared_data, tmp_path)
    nsl_path, from_nsl, unknown = nsl_kdd(shared_data, tmp_path)
    later = up(var_folder, parquet_path, nsl_path)
    assert_report(later, PARQUET_ROWS + NSL_ROWS)
    assert later["rejected"]["unknown_category"] >= unknown

    with reopened(var_folder) as world:
        assert_exactly_once(world)
        records, verdicts = world.records(), world.verdicts()
        batches = world.ask("select count(distinct query_id) from batches")
    assert batches == [(1,)], "the second run did not carry on the first one's stream"
    assert_attack_verdicts(verdicts, records, from_csv)
    assert_attack_verdicts(verdicts, records, from_parquet)
    assert_threat_verdicts(verdicts, records, from_nsl)
    reasons = {row["reason"] for row in world.quarantine().to_pylist() if b"no_such_service" in (row["value"] or b"")}
    assert reasons == {"unknown_category"}
