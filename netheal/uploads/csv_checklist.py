"""A CSV against a bundle, offline: has it the columns, do its rows fit, what does the model answer."""

from collections import Counter
from dataclasses import dataclass, field
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from netheal.bundles.served import ServedBundle
from netheal.errors import NethealError
from netheal.healing.policy import Policy
from netheal.uploads.score_by_bundle import score_by_bundle
from netheal.wording import listed

_TITLES = {"csv_columns": "Columns of the CSV", "csv_rows": "Rows of the CSV", "csv_answers": "Answers to them"}
_MOST_NOTES = 20


@dataclass
class _Tally:
    rows: int = 0
    scored: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    def add(self, table: pa.Table, answer: str) -> None:
        """Count the rows of a table of `score_by_bundle`."""
        self.rows += table.num_rows
        scored = table.filter(pc.is_null(table["reason"]))
        self.scored += scored.num_rows
        for value in pc.value_counts(scored[answer].combine_chunks()).to_pylist():
            self.answers[str(value["values"])] += value["counts"]
        bad = table.filter(pc.is_valid(table["reason"])).select(["line", "reason", "field", "detail"])
        for line, reason, name, detail in zip(*bad.to_pydict().values(), strict=True):
            self.rejected[reason, name] += 1
            self.first.setdefault((reason, name), (line, detail))


@dataclass(frozen=True)
class Checklist:
    """`steps` with `name`, `title`, `passed` (None: not reached) and `reason` each, and `notes`, sentences."""

    steps: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every step did."""
        return all(step["passed"] for step in self.steps)


def csv_checklist(bundle: ServedBundle | None, policy: Policy, file: IO[bytes]) -> Checklist:
    """Score every row of the CSV; None for a bundle that was refused. Never raises for what the file holds."""
    if bundle is None:
        return Checklist([_step(name, None, "not reached") for name in _TITLES])
    tally, is_threat = _Tally(), bundle.manifest.model_type == "threat_detector"
    try:
        for table in score_by_bundle(bundle, policy, file):
            tally.add(table, "threat_is_attack" if is_threat else "attack_class")
    except NethealError as error:
        return _broken_off(bundle, tally, str(error))
    columns = _step("csv_columns", True, _has_columns(bundle))
    fitting = f"{tally.scored:,} of {tally.rows:,} rows are scored"
    if not tally.scored:
        steps = [_step("csv_rows", False, f"{fitting}: see why below"), _step("csv_answers", None, "not reached")]
        return Checklist([columns, *steps], _rejections(tally))
    said = {"True": "attack", "False": "normal"}
    answers = ", ".join(f"{said.get(name, name)} {count:,}" for name, count in tally.answers.most_common())
    notes = _rejections(tally)
    if len(tally.answers) == 1 and tally.scored > 1:
        notes.append("the model answers the same to every row of the CSV")
    return Checklist([columns, _step("csv_rows", True, fitting), _step("csv_answers", True, answers)], notes)


def _broken_off(bundle: ServedBundle, tally: _Tally, reason: str) -> Checklist:
    """What is known where a file cannot be read on, or the model fails on it."""
    if not tally.rows:
        others = [_step(name, None, "not reached") for name in ("csv_rows", "csv_answers")]
        return Checklist([_step("csv_columns", False, reason), *others])
    steps = [_step("csv_columns", True, _has_columns(bundle)), _step("csv_rows", False, reason)]
    return Checklist([*steps, _step("csv_answers", None, "not reached")], _rejections(tally))


def _has_columns(bundle: ServedBundle) -> str:
    return f"all {len(bundle.contract.names)} of {bundle.contract.id} are there"


def _rejections(tally: _Tally) -> list[str]:
    notes = []
    for (reason, name), count in tally.rejected.most_common(_MOST_NOTES):
        line, detail = tally.first[reason, name]
        of_field = f" in {listed([name])}" if name else ""
        rows = "1 row is rejected" if count == 1 else f"{count:,} rows are rejected"
        notes.append(f"{rows} as {reason}{of_field}, first in line {line:,}: {detail}")
    return notes


def _step(name: str, passed: bool | None, reason: str) -> dict[str, Any]:
    return {"name": name, "title": _TITLES[name], "passed": passed, "reason": reason}
