"""The figures of a report are those of scikit-learn, whatever the order and the size of batches."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from netheal.contracts import attack_classes
from netheal.rescoring.report.columns import REJECTED_COLUMNS, VERDICT_COLUMNS
from netheal.rescoring.report.example_rows import EXAMPLES
from netheal.rescoring.report.run_report import RunReport
from netheal.rescoring.report.score_histogram import EXACT_SCORES
from netheal.rescoring.report.tally import MOST_LABELS, OTHER_LABELS

MakeTable = Callable[[list[dict[str, Any]]], pa.Table]
CLASSES = list(attack_classes().names)


@pytest.fixture(scope="module")
def nothing(make_rejected: MakeTable) -> pa.Table:
    return make_rejected([])


@pytest.fixture(scope="module")
def document(verdicts: pa.Table, nothing: pa.Table) -> dict[str, Any]:
    report = RunReport("last year's")
    for start in range(0, verdicts.num_rows, 700):
        report.add(verdicts.slice(start, 700), nothing)
    return report.document()


@pytest.fixture(scope="module")
def frame(verdicts: pa.Table) -> pd.DataFrame:
    """The rows with the class of their label, and whether it means an attack (else None)."""
    found = verdicts.to_pandas()
    known = attack_classes()
    found["class"] = [None if label is None else known.canonical(label) for label in found.label]
    found["truth"] = [None if label is None else known.is_attack_label(label) for label in found.label]
    return found


def binary(found: dict[str, Any], truth: pd.Series, said: pd.Series) -> None:
    """Figures of normal and attack are those of scikit-learn."""
    true, called = truth.astype(int), said.astype(int)
    precision, recall, f1, support = precision_recall_fscore_support(true, called)
    assert found["rows"] == len(true)
    assert found["accuracy"] == pytest.approx(accuracy_score(true, called), abs=1e-12)
    assert found["confusion"] == confusion_matrix(true, called).tolist()
    for at, name in enumerate(("normal", "attack")):
        values = list(found["classes"][name].values())
        assert values == pytest.approx([support[at], precision[at], recall[at], f1[at]], abs=1e-12)


def test_classes_are_measured_as_by_scikit_learn(document: dict[str, Any], frame: pd.DataFrame) -> None:
    both = frame[frame["class"].notna() & frame.attack_class.notna()]
    found = document["attack_classifier"]
    precision, recall, f1, support = precision_recall_fscore_support(
        both["class"], both.attack_class, labels=CLASSES, zero_division=0
    )
    assert found["rows"] == len(both) > 2_000
    assert found["accuracy"] == pytest.approx(accuracy_score(both["class"], both.attack_class), abs=1e-12)
    assert found["confusion"] == confusion_matrix(both["class"], both.attack_class, labels=CLASSES).tolist()
    for at, name in enumerate(CLASSES):
        values = list(found["classes"][name].values())
        assert values == pytest.approx([support[at], precision[at], recall[at], f1[at]], abs=1e-12)


def test_verdicts_are_measured_as_by_scikit_learn(document: dict[str, Any], frame: pd.DataFrame) -> None:
    known = frame[frame.truth.notna()]
    binary(document["verdicts"], known.truth, known.is_attack)
    missed = known[known.truth.astype(bool) & ~known.is_attack]
    assert document["verdicts"]["missed"]["rows"] == len(missed) > 0
    assert document["verdicts"]["false_alarms"]["rows"] == int((~known.truth.astype(bool) & known.is_attack).sum())


def test_the_threat_detector_is_measured_as_by_scikit_learn(document: dict[str, Any], frame: pd.DataFrame) -> None:
    known = frame[frame.truth.notna() & frame.threat_score.notna()]
    truth, found = known.truth.astype(int), document["threat_detector"]
    binary(found["labelled"], known.truth, known.threat_is_attack)
    assert found["thresholds"] == [0.4]
    assert found["roc"]["auc"] == pytest.approx(roc_auc_score(truth, known.threat_score), abs=1e-12)
    assert found["roc"]["auc_error_at_most"] == 0.0
    assert found["calibration"]["brier"] == pytest.approx(brier_score_loss(truth, known.threat_score), abs=1e-12)
    bars = sum(bar["normal"] + bar["attack"] + bar["unlabelled"] for bar in found["distribution"])
    assert bars == int(frame.threat_score.notna().sum())


def test_labels_outside_the_classes_are_counted_apart(document: dict[str, Any], frame: pd.DataFrame) -> None:
    found = {one["label"]: one for one in document["labels"]["outside"]}
    assert set(found) == {"normal", "neptune", "Heartbleed", "who knows"}
    assert [found[name]["means"] for name in ("normal", "neptune", "Heartbleed", "who knows")] == [
        "normal",
        "attack",
        "attack",
        None,
    ]
    unknown = frame[frame.label == "who knows"]
    assert document["labels"]["rows_of_unknown_meaning"] == found["who knows"]["rows"] == len(unknown) == 20
    assert found["who knows"]["called_attack"] == int(unknown.is_attack.sum())
    assert "Bot" in {one["label"] for one in document["labels"]["classes"]}


def test_changes_against_other_models_are_counted_both_ways(document: dict[str, Any], frame: pd.DataFrame) -> None:
    found = document["comparison"]
    now, before = frame.is_attack, frame.other_is_attack
    assert found["compared_with"] == "last year's"
    assert found["attack_now"] == int((now & ~before).sum()) > 0
    assert found["normal_now"] == int((~now & before).sum()) > 0

    def verdict(attack: pd.Series, name: pd.Series) -> pd.Series:
        named = name.where(name.notna() & (name != "BENIGN"), "unclassified")
        return named.where(attack, "BENIGN")

    said, was = verdict(now, frame.attack_class), verdict(before, frame.other_attack_class)
    assert found["rows_changed"] == int((said != was).sum())
    for one in found["classes"]:
        assert (one["gained"], one["lost"]) == (
            int(((said == one["class"]) & (was != said)).sum()),
            int(((was == one["class"]) & (was != said)).sum()),
        )
    worst = found["changes"][0]
    assert worst["rows"] == int(((was == worst["before"]) & (said == worst["now"])).sum())


def test_attacks_missed_before_and_found_now_are_listed(document: dict[str, Any], frame: pd.DataFrame) -> None:
    known = frame[frame.truth.notna()]
    attack, now, before = known.truth.astype(bool), known.is_attack, known.other_is_attack
    found = document["comparison"]["labelled"]
    binary(found["before"], attack, before)
    binary(found["now"], attack, now)
    gained = known[attack & now & ~before]
    assert found["missed_before_found_now"]["rows"] == len(gained) > 0
    assert found["found_before_missed_now"]["rows"] == int((attack & ~now & before).sum()) > 0
    assert found["false_alarms_gone"] == int((~attack & ~now & before).sum())
    assert found["false_alarms_new"] == int((~attack & now & ~before).sum())
    label = found["missed_before_found_now"]["labels"][0]
    first = gained[gained.label == label["label"]].sort_values(["file", "line"])[:5]
    shown = [(row["file"], row["line"]) for row in label["examples"]]
    assert shown == list(zip(first.file, first.line, strict=True))


def test_the_worst_confusions_come_first_with_their_first_rows(document: dict[str, Any], frame: pd.DataFrame) -> None:
    worst = document["attack_classifier"]["worst_confusions"]
    assert [one["rows"] for one in worst] == sorted((one["rows"] for one in worst), reverse=True)
    one = worst[0]
    rows = frame[(frame["class"] == one["label"]) & (frame.attack_class == one["called"])].sort_values(["file", "line"])
    assert one["rows"] == len(rows)
    assert [(row["file"], row["line"]) for row in one["examples"]] == list(zip(rows.file, rows.line, strict=True))[:5]


def test_parts_in_any_order_give_the_same_report(
    verdicts: pa.Table, nothing: pa.Table, document: dict[str, Any]
) -> None:
    order = np.random.default_rng(1).permutation(verdicts.num_rows)
    whole = RunReport("last year's")
    for part in np.array_split(order, 9):
        report = RunReport("last year's")
        report.add(verdicts.take(pa.array(part)), nothing)
        whole.merge(report)
    assert json.dumps(whole.document()) == json.dumps(document)


def test_rejected_rows_are_counted_by_reason_and_file(make_rejected: MakeTable, make_verdicts: MakeTable) -> None:
    place = {"run_id": "r1", "reason": "wrong_type", "field": "Flow Duration", "detail": "a text"}
    rows = [{**place, "file": "b.csv" if line % 2 else "a.csv", "line": line} for line in range(20, 2, -1)]
    rows.append({"run_id": "r1", "reason": "new_reason", "file": "a.csv", "line": 1})
    report = RunReport()
    report.add(make_verdicts([]), make_rejected(rows))
    report.add_file_error("c.csv", "it is a PDF")
    found = report.document()
    assert found["rows"] == {"read": 19, "verdicts": 0, "attacks": 0, "normal": 0, "rejected": 19, "labelled": 0}
    assert [(one["reason"], one["rows"]) for one in found["rejected"]] == [("wrong_type", 18), ("new_reason", 1)]
    assert [(row["file"], row["line"]) for row in found["rejected"][0]["examples"]][:2] == [("a.csv", 4), ("a.csv", 6)]
    assert [(one["file"], one["rejected"], one["error"]) for one in found["files"]] == [
        ("a.csv", 10, None),
        ("b.csv", 9, None),
        ("c.csv", 0, "it is a PDF"),
    ]
    assert found["files"][0]["reasons"] == {"new_reason": 1, "wrong_type": 9}


def test_a_run_without_labels_says_what_was_found(make_verdicts: MakeTable, nothing: pa.Table) -> None:
    rows = [{"run_id": "r", "file": "a", "line": 1, "attack_class": "DDoS", "is_attack": True, "policy_version": "p"}]
    report = RunReport()
    report.add(make_verdicts(rows), nothing)
    found = report.document()
    assert found["attacks"] == [{"class": "DDoS", "rows": 1, "percent": 100.0}]
    assert found["verdicts"] is found["attack_classifier"] is found["threat_detector"] is found["comparison"] is None


def test_rows_that_no_other_model_took_are_not_compared(make_verdicts: MakeTable, nothing: pa.Table) -> None:
    place = {"run_id": "r", "file": "a", "label": "DDoS", "is_attack": True, "attack_class": "DDoS"}
    rows = [{**place, "line": 1, "other_is_attack": False}, {**place, "line": 2, "other_is_attack": None}]
    report = RunReport("m")
    report.add(make_verdicts(rows), nothing)
    found = report.document()["comparison"]
    assert (found["rows"], found["attack_now"], found["labelled"]["before"]["rows"]) == (1, 1, 1)
    assert [row["line"] for row in found["labelled"]["missed_before_found_now"]["labels"][0]["examples"]] == [1]
    report = RunReport()
    report.add(make_verdicts(rows[1:]), nothing)
    assert report.document()["comparison"] is None


def test_stored_rows_are_shown_by_their_event(make_verdicts: MakeTable, nothing: pa.Table, tmp_path: Path) -> None:
    rows = [{"run_id": "r", "event_id": at, "label": "DDoS", "is_attack": False} for at in range(70_009, 70_000, -1)]
    report = RunReport()
    report.add(make_verdicts(rows), nothing)
    examples = report.document()["verdicts"]["missed"]["labels"][0]["examples"]
    assert [row["event_id"] for row in examples] == [70_001, 70_002, 70_003, 70_004, 70_005]
    report.write(tmp_path)
    assert "event 70001" in (tmp_path / "report.html").read_text()


def test_only_the_columns_that_are_named_are_read(
    verdicts: pa.Table, nothing: pa.Table, document: dict[str, Any]
) -> None:
    report = RunReport("last year's")
    report.add(verdicts.select(VERDICT_COLUMNS), nothing.select(REJECTED_COLUMNS))
    assert json.dumps(report.document()) == json.dumps(document)


def test_dictionaries_count_as_their_strings(verdicts: pa.Table, nothing: pa.Table, document: dict[str, Any]) -> None:
    encoded = verdicts
    for name in ("file", "label", "attack_class", "other_attack_class", "threat_model_hash", "policy_version"):
        at = encoded.column_names.index(name)
        encoded = encoded.set_column(at, name, encoded[name].dictionary_encode())
    report = RunReport("last year's")
    report.add(pa.concat_tables([encoded.slice(0, 900), encoded.slice(900)]), nothing)
    assert json.dumps(report.document()) == json.dumps(document)


def test_labels_without_number_do_not_make_the_report_grow(make_verdicts: MakeTable, nothing: pa.Table) -> None:
    rows = [
        {"run_id": "r", "file": "a", "line": line, "label": f"flow {line}", "is_attack": False} for line in range(3_000)
    ]
    rows.append({"file": "a", "line": 1, "label": "DDoS", "is_attack": False})
    report, other = RunReport(), RunReport()
    report.add(make_verdicts(rows[:1_500]), nothing)
    other.add(make_verdicts(rows[1_500:]), nothing)
    report.merge(other)
    found = {one["label"]: one["rows"] for one in report.document()["labels"]["outside"]}
    assert len(found) == MOST_LABELS + 1
    assert found[OTHER_LABELS] == 3_000 - MOST_LABELS
    assert report.document()["verdicts"]["missed"]["labels"][0]["label"] == "DDoS"


def test_many_scores_are_rounded_within_the_stated_error(make_verdicts: MakeTable, nothing: pa.Table) -> None:
    rng = np.random.default_rng(2)
    rows = 3 * EXACT_SCORES
    truth = rng.random(rows) < 0.3
    scores = np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0, 1)
    empty = make_verdicts([])
    columns = {name: pa.nulls(rows, empty.schema.field(name).type) for name in empty.column_names}
    columns |= {
        "label": pa.array(np.where(truth, "attack", "normal")),
        "threat_score": pa.array(scores),
        "threat_is_attack": pa.array(scores >= 0.5),
        "threat_threshold": pa.array(np.full(rows, 0.5)),
        "is_attack": pa.array(scores >= 0.5),
        "threat_model_hash": pa.array(["b"] * rows),
    }
    report = RunReport()
    table = pa.table(columns)
    for start in range(0, rows, 7_000):
        report.add(table.slice(start, 7_000), nothing)
    found = report.document()["threat_detector"]
    assert found["scores_rounded_to_decimals"] == 4
    assert 0 < found["roc"]["auc_error_at_most"] < 1e-3
    off = abs(found["roc"]["auc"] - roc_auc_score(truth, scores))
    assert off <= found["roc"]["auc_error_at_most"]
    assert found["calibration"]["brier"] == pytest.approx(brier_score_loss(truth, scores), abs=1e-4)
    assert found["labelled"]["accuracy"] == pytest.approx(accuracy_score(truth, scores >= 0.5), abs=1e-12)


def test_what_is_kept_does_not_grow_with_the_rows(verdicts: pa.Table, nothing: pa.Table) -> None:
    report = RunReport()
    sizes = []
    for turn in range(12):
        line = pa.array(verdicts["line"].to_numpy() + 10_000 * turn)
        report.add(verdicts.set_column(verdicts.column_names.index("line"), "line", line), nothing)
        sizes.append(len(pickle.dumps(report)))
    assert sizes[-1] < sizes[EXAMPLES] * 1.01


def test_the_report_is_written_again_byte_for_byte(tmp_path: Path, verdicts: pa.Table, nothing: pa.Table) -> None:
    written = []
    for folder in (tmp_path / "a", tmp_path / "b" / "c"):
        report = RunReport()
        report.add(verdicts, nothing)
        report.write(folder)
        written.append([(folder / name).read_bytes() for name in ("report.json", "report.html")])
    assert written[0] == written[1]
    assert json.loads(written[0][0])["report_version"] == 1
