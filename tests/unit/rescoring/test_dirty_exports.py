"""Exports as flow meters and people leave them: every row is scored, or rejected with its line and a reason."""

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from netheal.contracts import contract
from netheal.settings import Settings
from tests.unit.rescoring.runs import attack_rows, csv_of, rejected, rescored, verdicts

NAMES = [*contract("attack/v1").names, "Label"]
ROWS = [row for row in attack_rows(40) if isinstance(row[" Flow Duration"], int | float) and row[" Flow Duration"] >= 0]


def scores(settings: Settings, run_id: str) -> list[object]:
    return verdicts(settings, run_id).select(["attack_class", "attack_confidence", "label"]).to_pylist()


def clean(settings: Settings, tmp_path: Path) -> list[object]:
    (tmp_path / "clean.csv").write_text(csv_of(ROWS))
    rescored(settings, "clean", tmp_path / "clean.csv")
    return scores(settings, "clean")


def other_names() -> str:
    """The header of the newer CICFlowMeter, in another order, with a second `Fwd Header Length` and columns between."""
    features = {f.name: f.aliases[-1] if f.aliases else f.name.strip() for f in contract("attack/v1").features}
    features |= {"Label": " Label"}
    order = sorted(features)
    lines = [",".join([*(features[name] for name in order), "note", "Fwd Header Length"])]
    lines += [",".join([*(str(row[name]) for name in order), "x", "-5"]) for row in ROWS]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "content",
    [
        csv_of(ROWS).encode("utf-8-sig"),
        csv_of(ROWS).replace("\n", "\r\n").encode(),
        gzip.compress(csv_of(ROWS).encode()),
        pa.compress(csv_of(ROWS).encode(), "zstd", asbytes=True),
        other_names().encode(),
        csv_of(ROWS).replace(",", ", ").encode(),
        csv_of(ROWS).replace(",", ";").encode(),
    ],
    ids=["bom", "crlf", "gzip", "zstd", "newer names", "spaces", "semicolons"],
)
def test_however_it_is_written_the_verdicts_are_the_same(settings: Settings, tmp_path: Path, content: bytes) -> None:
    expected = clean(settings, tmp_path)
    (tmp_path / "export.csv").write_bytes(content)
    _, progress = rescored(settings, "dirty", tmp_path / "export.csv")
    found = scores(settings, "dirty")
    for row in found:
        assert isinstance(row, dict)
        row["label"] = row["label"].strip()
    assert found == expected
    assert (progress.rejected, progress.errors) == (0, {})


def test_a_dash_of_any_code_page_stays_in_the_label(settings: Settings, tmp_path: Path) -> None:
    rows = [{**ROWS[0], "Label": "Web Attack \u2013 XSS"}, {**ROWS[0], "Label": "Web Attack \ufffd XSS"}]
    (tmp_path / "a.csv").write_bytes(csv_of(rows[:1]).encode("cp1252"))
    (tmp_path / "b.csv").write_text(csv_of(rows[1:]))
    rescored(settings, "r", tmp_path)
    assert verdicts(settings)["label"].to_pylist() == [row["Label"] for row in rows]


def test_bad_rows_are_rejected_each_with_line_and_reason(settings: Settings, tmp_path: Path) -> None:
    good, header = csv_of(ROWS[:1]).splitlines()[1], ",".join(NAMES)
    first = contract("attack/v1").names[0]
    bad: dict[str, dict[str, Any]] = {
        "NaN": {first: "NaN"},
        "words": {first: "http"},
        "empty": {first: ""},
        "negative": {first: -1},
    }
    lines = [
        header,
        good,
        header,
        "1,2,3",
        good + ",more",
        *(csv_of([{**ROWS[0], **row}]).splitlines()[1] for row in bad.values()),
    ]
    (tmp_path / "a.csv").write_text("\n".join([*lines, "", good]) + "\n")
    rescored(settings, "r", tmp_path / "a.csv")
    assert verdicts(settings)["line"].to_pylist() == [2, 11]
    found = dict(zip(rejected(settings)["line"].to_pylist(), rejected(settings)["reason"].to_pylist(), strict=True))
    assert found == {
        3: "wrong_type",  # the header once more
        4: "malformed_row",
        5: "malformed_row",
        6: "nan",
        7: "wrong_type",
        8: "missing_feature",
        9: "out_of_range",
    }
    assert all(rejected(settings)["value"].to_pylist())


def test_infinity_is_scored_as_the_contract_says(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of([ROWS[0] | {"Flow Bytes/s": "Infinity"}, ROWS[0] | {"Flow Bytes/s": 0}]))
    rescored(settings, "r", tmp_path / "a.csv")
    assert verdicts(settings)["flow_bytes_per_s"].to_pylist() == [0.0, 0.0]


def test_nsl_kdd_without_a_header(settings: Settings, tmp_path: Path) -> None:
    kdd = ",".join(["0", "tcp", "http", "SF", "215", "45076", *["0"] * 16, "1", "1", *["0"] * 4, "1.00", *["0"] * 12])
    (tmp_path / "KDD.txt").write_text(f"{kdd},normal,21\n{kdd},neptune,20\n{kdd}\n")
    _, progress = rescored(settings, "r", tmp_path / "KDD.txt")
    assert verdicts(settings).select(["line", "label"]).to_pylist() == [
        {"line": 1, "label": "normal"},
        {"line": 2, "label": "neptune"},
    ]
    assert (progress.rejected, rejected(settings)["line"].to_pylist()) == (1, [3])


def test_a_file_that_breaks_off_gives_its_rows_and_an_error(settings: Settings, tmp_path: Path) -> None:
    packed = gzip.compress(csv_of(attack_rows(20_000)).encode())
    (tmp_path / "cut.csv.gz").write_bytes(packed[: len(packed) * 3 // 4])
    _, progress = rescored(settings, "r", tmp_path / "cut.csv.gz")
    assert progress.verdicts > 1_000
    assert "damaged" in progress.errors[str(tmp_path / "cut.csv.gz")]
    again = rescored(settings, "r", tmp_path / "cut.csv.gz")[1]
    assert again == progress


def test_published_files_whole(settings: Settings, shared_data: Path) -> None:
    rows = {
        "cic-ids2017/reference_12006.csv.gz": 12_006,
        "cic-ids2017/improved_25k.parquet": 25_127,
        "nsl-kdd/Train_data.csv.gz": 25_192,
        "nsl-kdd/KDDTest+.txt.gz": 22_544,
    }
    _, progress = rescored(settings, "r", *(shared_data / name for name in rows))
    said, refused = verdicts(settings), rejected(settings)
    files = Counter([*said["file"].to_pylist(), *refused["file"].to_pylist()])
    assert files == {str(shared_data / name): count for name, count in rows.items()}
    assert len(np.unique([*said["event_id"].to_pylist(), *refused["event_id"].to_pylist()])) == sum(rows.values())
    assert said["label"].null_count == 0
    meters = dict(zip(said["file"].to_pylist(), said["extractor"].to_pylist(), strict=True))
    assert meters.pop(str(shared_data / "cic-ids2017/improved_25k.parquet")) == "CICFlowMeter/improved"
    assert set(meters.values()) == {None}
    assert progress.errors == {}
