"""The report as a document: what `report.json` has, and all that the page shows.

`docs/rescoring-report.md` describes it. `REPORT_VERSION` rises when a key goes or changes its meaning.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from netheal.contracts import attack_classes
from netheal.contracts.verdict import class_shares
from netheal.records.reasons import MEANING, RejectionReason
from netheal.rescoring.report.columns import VERDICTS
from netheal.rescoring.report.example_rows import ExampleRows
from netheal.rescoring.report.score_histogram import ATTACK, NORMAL, UNKNOWN
from netheal.rescoring.report.tally import Counts, Tally
from netheal.scoring.class_figures import class_figures

REPORT_VERSION = 1
WORST = 20
"""Confusions and changes that are listed, the most frequent first."""
_KINDS = ("normal", "attack")
_MEANT = {NORMAL: "normal", ATTACK: "attack", UNKNOWN: None}

Document = dict[str, Any]


def report_document(tally: Tally) -> Document:
    """The whole of it; the same for the same rows, in whatever order they were counted."""
    return {
        "report_version": REPORT_VERSION,
        "run_ids": sorted(tally.run_ids),
        "rows": _rows(tally),
        "files": _files(tally),
        "rejected": _rejected(tally),
        "attacks": _attacks(tally),
        "models": [
            {"type": kind, "version": version, "hash": digest, "rows": rows}
            for (kind, version, digest), rows in sorted(tally.models.items())
        ],
        "policies": [{"version": version, "rows": rows} for version, rows in sorted(tally.policies.items())],
        "labels": _labels(tally),
        "verdicts": _verdicts(tally),
        "threat_detector": _threat_detector(tally),
        "attack_classifier": _attack_classifier(tally),
        "comparison": _comparison(tally) if tally.changes.any() else None,
    }


def _rows(tally: Tally) -> dict[str, int]:
    scored, rejected = tally.verdicts.total(), tally.rejected.total()
    quiet = sum(rows for (_, verdict), rows in tally.verdicts.items() if verdict == attack_classes().benign)
    return {
        "read": scored + rejected,
        "verdicts": scored,
        "attacks": scored - quiet,
        "normal": quiet,
        "rejected": rejected,
        "labelled": tally.labels.total(),
    }


def _files(tally: Tally) -> list[Document]:
    names = {file for file, _ in tally.verdicts} | {file for _, file in tally.rejected} | set(tally.file_errors)
    found: dict[str, Document] = {
        name: {"file": name, "verdicts": 0, "attacks": 0, "rejected": 0, "reasons": {}, "error": None}
        for name in sorted(names)
    }
    for (file, verdict), rows in tally.verdicts.items():
        found[file]["verdicts"] += rows
        found[file]["attacks"] += rows if verdict != attack_classes().benign else 0
    for (reason, file), rows in sorted(tally.rejected.items()):
        found[file]["rejected"] += rows
        found[file]["reasons"][reason] = rows
    for file, error in tally.file_errors.items():
        found[file]["error"] = error
    return list(found.values())


def _rejected(tally: Tally) -> list[Document]:
    counted: Counter[str] = Counter()
    for (reason, _), rows in tally.rejected.items():
        counted[reason] += rows
    meaning = {reason.value: MEANING[reason] for reason in RejectionReason}
    return [
        {"reason": reason, "meaning": meaning.get(reason), "rows": rows, "examples": tally.rejected_rows.of(reason)}
        for reason, rows in _most_first(counted)
    ]


def _attacks(tally: Tally) -> list[Document]:
    counted: Counter[str] = Counter()
    for (_, verdict), rows in tally.verdicts.items():
        counted[verdict] += rows
    attacks = counted.total() - counted[attack_classes().benign]
    return [
        {"class": share.name, "rows": share.attacks, "percent": share.share}
        for share in class_shares(attacks, {name: rows for name, rows in counted.items() if name in VERDICTS[:-1]})
    ]


def _labels(tally: Tally) -> Document:
    """Labels by what they mean: one of the classes, or outside of them."""
    rows: Counter[tuple[str, int]] = Counter()
    called: Counter[tuple[str, int]] = Counter()
    for (name, truth, _, attack), count in tally.labels.items():
        rows[name, truth] += count
        called[name, truth] += count if attack else 0
    listed = [
        {"label": name, "means": _MEANT[truth], "rows": count, "called_attack": called[name, truth]}
        for (name, truth), count in _most_first(rows)
    ]
    inside = set(attack_classes().names)
    return {
        "classes": [label for label in listed if label["label"] in inside],
        "outside": [label for label in listed if label["label"] not in inside],
        "rows_of_unknown_meaning": sum(count for (_, truth), count in rows.items() if truth == UNKNOWN),
    }


def _verdicts(tally: Tally) -> Document | None:
    """All verdicts against what labels say is an attack."""
    matrix = _called(tally)
    if not matrix.any():
        return None
    return {
        **_two_classes(matrix),
        "missed": _wrong(tally, "missed", lambda truth, before, now: truth == ATTACK and not now),
        "false_alarms": _wrong(tally, "false_alarm", lambda truth, before, now: truth == NORMAL and now),
    }


def _called(tally: Tally, by_others: bool = False, compared_only: bool = False) -> Counts:
    """Rows of known meaning: [normal or attack by label, by these models or the others]."""
    matrix = np.zeros((2, 2), np.int64)
    for (_, truth, before, now), rows in tally.labels.items():
        if truth != UNKNOWN and not (compared_only and before == UNKNOWN):
            matrix[truth, before if by_others else int(now)] += rows
    return matrix


def _wrong(tally: Tally, kind: str, wanted: Callable[[int, int, bool], bool]) -> Document:
    """Rows and labels, with example rows."""
    counted: Counter[str] = Counter()
    for (name, truth, before, now), rows in tally.labels.items():
        if wanted(truth, before, now):
            counted[name] += rows
    labels = [
        {"label": name, "rows": rows, "examples": tally.rows.of((kind, name))} for name, rows in _most_first(counted)
    ]
    return {"rows": counted.total(), "labels": labels}


def _two_classes(matrix: Counts) -> Document:
    return class_figures(matrix, _KINDS, _KINDS[0])


def _threat_detector(tally: Tally) -> Document | None:
    if not any(kind == "threat_detector" for kind, _, _ in tally.models):
        return None
    labelled = _two_classes(tally.threat) if tally.threat.any() else None
    return {"thresholds": sorted(tally.thresholds), "labelled": labelled, **tally.scores.figures()}


def _attack_classifier(tally: Tally) -> Document | None:
    if not tally.confusion.any():
        return None
    return {**_classes(tally.confusion), "worst_confusions": _worst(tally)}


def _classes(confusion: Counts) -> Document:
    return class_figures(confusion, attack_classes().names, attack_classes().benign)


def _worst(tally: Tally) -> list[Document]:
    names, of_class = attack_classes().names, tally.confusion.sum(axis=1)
    return [
        {
            "label": names[true],
            "called": names[said],
            "rows": rows,
            "percent_of_label": round(100 * rows / int(of_class[true]), 4),
            "examples": examples,
        }
        for true, said, rows, examples in _off_diagonal(tally.confusion, tally.rows, "confusion")
    ]


def _off_diagonal(matrix: Counts, rows: ExampleRows, kind: str) -> list[tuple[int, int, int, list[Document]]]:
    """Places that are not zero beside the diagonal, the largest first."""
    found = Counter({(int(i), int(j)): int(matrix[i, j]) for i, j in np.argwhere(matrix) if i != j})
    return [(i, j, count, rows.of((kind, i, j))) for (i, j), count in _most_first(found)[:WORST]]


def _comparison(tally: Tally) -> Document:
    """The other models' verdicts (`before`) and these (`now`)."""
    changes, benign = tally.changes, VERDICTS.index(attack_classes().benign)
    kept = np.diag(changes)
    labelled = _called(tally, compared_only=True)
    return {
        "compared_with": tally.compared_with,
        "rows": int(changes.sum()),
        "rows_changed": int(changes.sum() - kept.sum()),
        "attack_now": int(changes[benign].sum() - kept[benign]),
        "normal_now": int(changes[:, benign].sum() - kept[benign]),
        "classes": [
            {
                "class": name,
                "before": int(changes[at].sum()),
                "now": int(changes[:, at].sum()),
                "gained": int(changes[:, at].sum() - kept[at]),
                "lost": int(changes[at].sum() - kept[at]),
            }
            for at, name in enumerate(VERDICTS)
            if changes[at].any() or changes[:, at].any()
        ],
        "changes": [
            {"before": VERDICTS[i], "now": VERDICTS[j], "rows": rows, "examples": examples}
            for i, j, rows, examples in _off_diagonal(changes, tally.rows, "changed")
        ],
        "labelled": _compared_by_label(tally) if labelled.any() else None,
        "attack_classifier_before": _classes(tally.other_confusion) if tally.other_confusion.any() else None,
        "threat_detector_before": tally.other_scores.figures() if tally.scores.figures()["roc"] else None,
    }


def _compared_by_label(tally: Tally) -> Document:
    return {
        "before": _two_classes(_called(tally, by_others=True, compared_only=True)),
        "now": _two_classes(_called(tally, compared_only=True)),
        "missed_before_found_now": _wrong(tally, "found_now", _is(ATTACK, before=NORMAL, now=True)),
        "found_before_missed_now": _wrong(tally, "missed_now", _is(ATTACK, before=ATTACK, now=False)),
        "false_alarms_gone": _rows_where(tally, _is(NORMAL, before=ATTACK, now=False)),
        "false_alarms_new": _rows_where(tally, _is(NORMAL, before=NORMAL, now=True)),
    }


def _is(truth: int, before: int, now: bool) -> Callable[[int, int, bool], bool]:
    return lambda *said: said == (truth, before, now)


def _rows_where(tally: Tally, wanted: Callable[[int, int, bool], bool]) -> int:
    return sum(rows for (_, truth, before, now), rows in tally.labels.items() if wanted(truth, before, now))


def _most_first[T](counted: "Counter[T]") -> list[tuple[T, int]]:
    """The largest first, equal ones by key; none that is 0."""
    return sorted(((key, rows) for key, rows in counted.items() if rows), key=lambda item: (-item[1], str(item[0])))
