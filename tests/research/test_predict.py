"""A CSV scored by a bundle, and checked against one, without a server."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from netheal.bundles.served import read_served
from netheal.contracts import contract
from netheal.scoring.model import ServedModel
from research import predict, validate_bundle
from tests.unit.bundles.intake.honest_bundles import CLASSES, honest

THREAT = list(contract("threat/v1").names)
ROWS = [
    "http,SF,181,5450,8,1.0,0.5,9,1.0,0.11",
    "private,S0,0,0,280,0.05,0.06,10,0.04,0",
    "http,SF,-1,5450,8,1.0,0.5,9,1.0,0.11",
    "http,SF,181",
    "gopher2,SF,181,5450,8,1.0,0.5,9,1.0,0.11",
]


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    path = tmp_path / "flows.csv"
    path.write_text("\n".join([",".join(THREAT), "", *ROWS]) + "\n")
    return path


@pytest.fixture
def detector(models: Path) -> Path:
    return models / "threat_detector" / "threat_detector.joblib"


def _told(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_each_row_has_its_verdict_or_why_it_has_none(
    flows: Path, detector: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert predict.main([str(detector), str(flows)]) == 0
    out, err = capfdbinary.readouterr()
    rows = _told(out.decode())
    assert [row["line"] for row in rows] == ["3", "4", "5", "6", "7"]
    assert [row["reason"] for row in rows] == ["", "", "out_of_range", "malformed_row", "unknown_category"]
    assert [row["field"] for row in rows[2:]] == ["src_bytes", "", "service"]
    assert rows[1]["threat_is_attack"] == "true"
    assert {"threat_score", "threat_threshold", "threat_model_version", "is_attack", "action_type"} <= set(rows[0])
    assert not [name for name in rows[0] if name.startswith("attack_") or name in ("src_bytes", "event_id", "src_ip")]
    assert b"2 of 5 rows scored by" in err and b"1 rejected as out_of_range" in err


def test_the_scores_are_those_of_the_served_model(flows: Path, detector: Path, tmp_path: Path) -> None:
    out = tmp_path / "verdicts.csv"
    assert predict.main([str(detector), str(flows), "--out", str(out), "--model-type", "threat_detector"]) == 0
    model = ServedModel(read_served(detector.parent))
    codes = model.encoders
    cells = [line.split(",") for line in ROWS[:2]]
    rows = [[codes["service"][a], codes["flag"][b], *map(float, others)] for a, b, *others in cells]
    expected = model.threat_scores(np.array(rows))
    assert [float(row["threat_score"]) for row in _told(out.read_text())[:2]] == expected.tolist()


def test_a_bare_model_scores_as_its_maker_s(tmp_path: Path) -> None:
    made = honest("tree")
    names = made.layout["selected_features"]
    frame = pd.DataFrame(made.rows, columns=names)
    tree = DecisionTreeClassifier(max_depth=5).fit(frame, np.array(CLASSES)[made.shares.argmax(axis=1)])
    joblib.dump(tree, tmp_path / "tree.joblib")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    out = tmp_path / "out.csv"
    assert predict.main([str(tmp_path / "tree.joblib"), str(tmp_path / "rows.csv"), "--out", str(out)]) == 0
    found = [row["attack_class"] for row in _told(out.read_text())]
    expected = [name.replace("\ufffd", "–") for name in tree.predict(frame)]
    assert found == expected


@pytest.mark.parametrize(
    ("bundle", "content", "words"),
    [
        ("flows.csv", "", "none of .joblib, .pkl, .h5"),
        ("missing.joblib", "", "cannot read missing.joblib"),
        ("", "a,b\n1,2\n", "10 of 10 are missing"),
        ("", "", "the file is empty"),
    ],
)
def test_what_cannot_be_scored_is_told_and_leaves_no_file(
    bundle: str, content: str, words: str, flows: Path, detector: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = flows.parent / bundle if bundle else detector
    if not bundle:
        flows.write_text(content)
    assert predict.main([str(path), str(flows), "--out", str(flows.parent / "out.csv")]) == 2
    assert words in capsys.readouterr().err
    assert not (flows.parent / "out.csv").exists()
    assert list(flows.parent.glob("*.new")) == []


def test_more_rows_than_the_api_takes_are_scored(flows: Path, detector: Path) -> None:
    flows.write_text("\n".join([",".join(THREAT), *[ROWS[0]] * 100_001]))
    out = flows.parent / "out.csv"
    assert predict.main([str(detector), str(flows), "--out", str(out)]) == 0
    assert sum(1 for _ in out.open()) == 100_002


def _checked(detector: Path, flows: Path, capsys: Any, *more: str) -> tuple[int, str]:
    arguments = ["--model-path", str(detector), "--model-type", "threat_detector", "--csv", str(flows), *more]
    status = validate_bundle.main(arguments)
    return status, capsys.readouterr().out


def test_a_csv_is_checked_against_a_bundle(flows: Path, detector: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out = _checked(detector, flows, capsys, "--json")
    report = json.loads(out)
    assert status == 0 and report["accepted"]
    steps = {step["name"]: step for step in report["steps"]}
    assert steps["csv_columns"]["reason"] == "all 10 of threat/v1 are there"
    assert steps["csv_rows"] == {
        "name": "csv_rows",
        "title": "Rows of the CSV",
        "passed": True,
        "reason": "2 of 5 rows are scored",
    }
    assert steps["csv_answers"]["reason"] in ("normal 1, attack 1", "attack 1, normal 1")
    notes = report["warnings"]
    assert '1 row is rejected as out_of_range in "src_bytes", first in line 5: -1 is below 0' in notes
    assert "1 row is rejected as malformed_row, first in line 6: 3 cells, where the header has 10" in notes


def test_the_checklist_is_printed(flows: Path, detector: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out = _checked(detector, flows, capsys)
    assert status == 0
    assert "Columns of the CSV" in out and "Rows of the CSV" in out and out.rstrip().endswith("accepted")


@pytest.mark.parametrize(
    ("content", "step", "words"),
    [
        ("a,b\n1,2\n", "csv_columns", "10 of 10 are missing"),
        (",".join(THREAT) + "\n" + ROWS[2] + "\n", "csv_rows", "0 of 1 rows are scored"),
        (",".join(THREAT) + "\n", "csv_columns", "a header and no rows"),
    ],
)
def test_a_csv_that_does_not_fit_fails(
    content: str, step: str, words: str, flows: Path, detector: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flows.write_text(content)
    status, out = _checked(detector, flows, capsys, "--json")
    report = json.loads(out)
    assert status == 1 and not report["accepted"]
    failed = next(found for found in report["steps"] if found["passed"] is False)
    assert failed["name"] == step and words in failed["reason"]


def test_a_csv_is_not_looked_at_where_the_bundle_is_refused(
    flows: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out = _checked(models / "attack_classifier" / "attack_classifier.joblib", flows, capsys, "--json")
    assert status == 1
    assert [step["passed"] for step in json.loads(out)["steps"][-3:]] == [None, None, None]


def test_a_csv_that_is_not_there_is_told(detector: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model-path", str(detector), "--model-type", "threat_detector", "--csv", "/no/such.csv"]
    assert validate_bundle.main(arguments) == 2
    assert "No such file" in capsys.readouterr().err
