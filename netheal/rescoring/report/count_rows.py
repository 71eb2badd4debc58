"""Counts the rows of a batch into a tally."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from netheal.contracts import attack_classes
from netheal.contracts.verdict import NO_CLASS, Flags
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
from netheal.rescoring.report.score_histogram import ATTACK, NORMAL, UNKNOWN
from netheal.rescoring.report.tally import OTHER_LABELS, Counts, Tally


def count_verdicts(tally: Tally, verdicts: pa.Table) -> None:
    """Add rows that have a verdict, at least one."""
    _Batch(tally, verdicts).count()


def count_rejected(tally: Tally, rejected: pa.Table) -> None:
    """Add rows that were rejected, at least one."""
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
        self._before = _before(table)
        self._compared = self._before != UNKNOWN

    def count(self) -> None:
        """Add it all to the tally."""
        self._count_files()
        self._count_models()
        self._count_labels()
        self._count_classes()
        self._count_scores()
        if self._compared.any():
            self._count_changes()

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

    def _count_labels(self) -> None:
        """By label: what is true, what the other models and these said of it."""
        found, now, before = self._labels, self._attack, self._before
        has_label = found.name >= 0
        keys = ((found.name * 3 + found.truth) * 3 + before) * 2 + now
        for key, rows in zip(*np.unique(keys[has_label], return_counts=True), strict=True):
            rest, attack = divmod(int(key), 2)
            rest, was = divmod(rest, 3)
            name, truth = divmod(rest, 3)
            self._tally.labels[found.names[name], truth, was, bool(attack)] += int(rows)
        self._examples("missed", (found.truth == ATTACK) & ~now)
        self._examples("false_alarm", (found.truth == NORMAL) & now)
        self._examples("found_now", (found.truth == ATTACK) & now & (before == NORMAL))
        self._examples("missed_now", (found.truth == ATTACK) & ~now & (before == ATTACK))

    def _examples(self, kind: str, here: Flags) -> None:
        names, name = self._labels.names, self._labels.name
        self._tally.rows.add(self._table, np.where(here, name, -1), lambda number: (kind, names[number]))

    def _count_classes(self) -> None:
        """The classifier against labels of the 14 classes."""
        true = self._labels.class_id
        both = (true != NO_CLASS) & (self._class_id != NO_CLASS)
        self._tally.confusion += _confusion(true[both], self._class_id[both])
        size = len(attack_classes().names)
        wrong = np.where(both & (true != self._class_id), true.astype(np.int64) * size + self._class_id, -1)
        self._tally.rows.add(self._table, wrong, lambda number: ("confusion", *divmod(number, size)))
        if self._compared.any():
            before = class_ids(self._table, "other_attack_class")
            both = (true != NO_CLASS) & (before != NO_CLASS)
            self._tally.other_confusion += _confusion(true[both], before[both])

    def _count_scores(self) -> None:
        scores = {"scores": "threat_score"} | ({"other_scores": "other_threat_score"} if self._compared.any() else {})
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

    def _count_changes(self) -> None:
        size, here = len(VERDICTS), self._compared
        before = verdict_codes(class_ids(self._table, "other_attack_class"), self._before == ATTACK)
        keys = before * size + self._verdict
        self._tally.changes += np.bincount(keys[here], minlength=size * size).reshape(size, size)
        changed = np.where(here & (before != self._verdict), keys, -1)
        self._tally.rows.add(self._table, changed, lambda number: ("changed", *divmod(number, size)))


def _before(table: pa.Table) -> NDArray[np.int8]:
    """What the other models said of rows [n]: `NORMAL`, `ATTACK`, or `UNKNOWN` where none did."""
    if "other_is_attack" not in table.column_names:
        return np.full(table.num_rows, UNKNOWN, np.int8)
    nothing = table["other_is_attack"].is_null().to_numpy()
    return np.where(nothing, UNKNOWN, np.where(flags(table, "other_is_attack"), ATTACK, NORMAL)).astype(np.int8)


def _confusion(true: NDArray[np.int16], said: NDArray[np.int16]) -> Counts:
    size = len(attack_classes().names)
    return np.bincount(true.astype(np.int64) * size + said, minlength=size * size).reshape(size, size)


def _few(tally: Tally, found: Labels) -> Labels:
    """With unknown labels that are too many counted as one."""
    names = [name if tally.lists(name) else OTHER_LABELS for name in found.names]
    unique = tuple(sorted(set(names)))
    place = np.array([*(unique.index(name) for name in names), -1])
    return Labels(unique, place[found.name], found.class_id, found.truth)
