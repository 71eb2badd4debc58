"""The figures of a rescoring run, added up as its rows come, in memory that does not grow with them.

What is kept: counts by file, reason, class, model and label; two confusion matrices; the first rows of each kind of
error; and histograms of scores. Reports of parts of a run are merged to the same report, whatever the order; only where
there are more unknown labels than are counted apart it depends on it which these are.
"""

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from netheal.contracts import attack_classes
from netheal.contracts.verdict import NO_CLASS
from netheal.host.atomic_write import write_whole
from netheal.rescoring.report.columns import (
    VERDICTS,
    Codes,
    Labels,
    class_ids,
    doubles,
    flags,
    labels,
    texts,
    verdict_codes,
)
from netheal.rescoring.report.document import report_document
from netheal.rescoring.report.page import report_page
from netheal.rescoring.report.score_histogram import ATTACK, NORMAL, UNKNOWN
from netheal.rescoring.report.tally import OTHER_LABELS, Tally

JSON_FILE, PAGE_FILE = "report.json", "report.html"


class RunReport:
    """Add batches of a run in any order, then write.

    `compared_with` names the models whose verdicts the columns `other_…` hold; without them it is not used.
    """

    def __init__(self, compared_with: str | None = None) -> None:
        self._tally = Tally(compared_with)

    def add(self, verdicts: pa.Table, rejected: pa.Table) -> None:
        """Count the rows of a batch.

        Both tables have what is stored of verdicts and of rejected rows, and `run_id`, `file` and `line`; verdicts
        have `label` (null where none), and `other_threat_score`, `other_threat_is_attack`, `other_attack_class` and
        `other_is_attack` where they are compared.
        """
        if verdicts.num_rows:
            _Batch(self._tally, verdicts).count()
        if rejected.num_rows:
            _count_rejected(self._tally, rejected)

    def add_file_error(self, file: str, error: str) -> None:
        """Count a file that could not be read at all, or not to its end."""
        self._tally.file_errors[file] = error

    def merge(self, other: "RunReport") -> None:
        """Count what the report of other rows of the same run has counted."""
        self._tally.merge(other._tally)

    def document(self) -> dict[str, Any]:
        """The report as `report.json` has it."""
        return report_document(self._tally)

    def write(self, folder: Path) -> None:
        """Write `report.json` and `report.html`, which needs nothing else, into the folder; raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        document = self.document()
        write_whole(folder / JSON_FILE, json.dumps(document, indent=1, allow_nan=False) + "\n")
        write_whole(folder / PAGE_FILE, report_page(document))


def _count_rejected(tally: Tally, rejected: pa.Table) -> None:
    reason, file = texts(rejected, "reason"), texts(rejected, "file")
    for (at, of), rows in _pairs(reason.codes, file.codes, len(file.values)):
        tally.rejected[reason.values[at] or "", file.values[of] or ""] += rows
    for run in texts(rejected, "run_id").values:
        tally.run_ids.update([run] if run else [])
    tally.rejected_rows.add(rejected, reason.codes, lambda number: reason.values[number] or "")


def _pairs(first: Codes, second: Codes, most: int) -> list[tuple[tuple[int, int], int]]:
    """Pairs of codes that occur, and how often."""
    found, counts = np.unique(first * most + second, return_counts=True)
    return [(divmod(int(pair), most), int(count)) for pair, count in zip(found, counts, strict=True)]


class _Batch:
    """Verdicts of a batch, as arrays."""

    def __init__(self, tally: Tally, table: pa.Table) -> None:
        self._tally, self._table = tally, table
        self._attack = flags(table, "is_attack")
        self._class_id = class_ids(table, "attack_class")
        self._verdict = verdict_codes(self._class_id, self._attack)
        self._labels = _few(tally, labels(table))
        self._compared = "other_is_attack" in table.column_names

    def count(self) -> None:
        """Add it all to the tally."""
        self._count_files()
        self._count_models()
        other = flags(self._table, "other_is_attack") if self._compared else np.zeros(len(self._attack), bool)
        self._count_labels(other)
        self._count_classes()
        self._count_scores()
        if self._compared:
            self._count_changes(other)

    def _count_files(self) -> None:
        file = texts(self._table, "file")
        for (at, verdict), rows in _pairs(file.codes, self._verdict, len(VERDICTS)):
            self._tally.verdicts[file.values[at] or "", VERDICTS[verdict]] += rows
        for run in texts(self._table, "run_id").values:
            self._tally.run_ids.update([run] if run else [])

    def _count_models(self) -> None:
        for model_type, prefix in (("threat_detector", "threat"), ("attack_classifier", "attack")):
            version, digest = (texts(self._table, f"{prefix}_model_{part}") for part in ("version", "hash"))
            for (at, of), rows in _pairs(version.codes, digest.codes, len(digest.values)):
                if digest.values[of] is not None:
                    self._tally.models[model_type, version.values[at] or "", digest.values[of] or ""] += rows
        policy = texts(self._table, "policy_version")
        for at, rows in zip(*np.unique(policy.codes, return_counts=True), strict=True):
            self._tally.policies[policy.values[at] or ""] += int(rows)

    def _count_labels(self, other: np.ndarray) -> None:
        """By label: what is true, what the other models and these said of it."""
        found, has_label = self._labels, self._labels.name >= 0
        keys = ((found.name * 3 + found.truth) * 2 + other) * 2 + self._attack
        for key, rows in zip(*np.unique(keys[has_label], return_counts=True), strict=True):
            rest, attack = divmod(int(key), 2)
            rest, before = divmod(rest, 2)
            name, truth = divmod(rest, 3)
            self._tally.labels[found.names[name], truth, bool(before), bool(attack)] += int(rows)
        self._examples("missed", found.name, (found.truth == ATTACK) & ~self._attack)
        self._examples("false_alarm", found.name, (found.truth == NORMAL) & self._attack)
        if self._compared:
            self._examples("found_now", found.name, (found.truth == ATTACK) & self._attack & ~other)
            self._examples("missed_now", found.name, (found.truth == ATTACK) & ~self._attack & other)

    def _examples(self, kind: str, name: Codes, here: np.ndarray) -> None:
        names = self._labels.names
        self._tally.rows.add(self._table, np.where(here, name, -1), lambda number: (kind, names[number]))

    def _count_classes(self) -> None:
        """The classifier against labels of the 14 classes."""
        true = self._labels.class_id
        both = (true != NO_CLASS) & (self._class_id != NO_CLASS)
        self._tally.confusion += _confusion(true[both], self._class_id[both])
        size = len(attack_classes().names)
        wrong = np.where(both & (true != self._class_id), true.astype(np.int64) * size + self._class_id, -1)
        self._tally.rows.add(self._table, wrong, lambda number: ("confusion", *divmod(number, size)))
        if self._compared:
            before = class_ids(self._table, "other_attack_class")
            both = (true != NO_CLASS) & (before != NO_CLASS)
            self._tally.other_confusion += _confusion(true[both], before[both])

    def _count_scores(self) -> None:
        scores = {"scores": "threat_score"} | ({"other_scores": "other_threat_score"} if self._compared else {})
        for part, column in scores.items():
            values = doubles(self._table, column)
            here = ~np.isnan(values)
            getattr(self._tally, part).add(values[here], self._labels.truth[here])
        scored = ~self._table["threat_is_attack"].is_null().to_numpy()
        said = flags(self._table, "threat_is_attack")
        known = scored & (self._labels.truth != UNKNOWN)
        self._tally.threat += np.bincount(self._labels.truth[known] * 2 + said[known], minlength=4).reshape(2, 2)
        for threshold in np.unique(doubles(self._table, "threat_threshold")[scored]):
            self._tally.thresholds.add(float(threshold))

    def _count_changes(self, other: np.ndarray) -> None:
        before = verdict_codes(class_ids(self._table, "other_attack_class"), other)
        keys = before * len(VERDICTS) + self._verdict
        size = len(VERDICTS)
        self._tally.changes += np.bincount(keys, minlength=size * size).reshape(size, size)
        changed = np.where(before != self._verdict, keys, -1)

        def name_of(number: int) -> Hashable:
            return ("changed", *divmod(number, size))

        self._tally.rows.add(self._table, changed, name_of)


def _confusion(true: np.ndarray, said: np.ndarray) -> np.ndarray:
    size = len(attack_classes().names)
    return np.bincount(true.astype(np.int64) * size + said, minlength=size * size).reshape(size, size)


def _few(tally: Tally, found: Labels) -> Labels:
    """With unknown labels that are too many counted as one."""
    names = [name if tally.lists(name) else OTHER_LABELS for name in found.names]
    unique = tuple(sorted(set(names)))
    place = np.array([*(unique.index(name) for name in names), -1])
    return Labels(unique, place[found.name], found.class_id, found.truth)
