"""A run: planned once, scored unit by unit, committed in order, reported from what is stored.

1. The plan is written to `runs/ID/plan.json`: inputs with sizes and times, units, models by hash, policy; the models
   lie beside it. A run that is there already goes on by its plan.
2. Parts that an earlier attempt left behind are removed.
3. Units are scored by whoever maps them, some at once; each gives a receipt of parts that nobody sees.
4. In the order of units: a Delta commit to each table with (app id of the run, number of the unit), which a table
   takes once; then `progress.json`. Who begins after a kill between them scores the unit again, and finds that a table
   has it.
5. The report is made of the run's rows, read back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from netheal.bundles.served import ServedBundle
from netheal.contracts.schema import verdict_schema_of
from netheal.errors import NethealError, ServiceUnavailable, SettingsError, StreamRefused
from netheal.host.atomic_write import write_whole
from netheal.host.disk import write_error
from netheal.host.fsync import local_folder, sync_path
from netheal.host.lock import FolderLock
from netheal.registry.artefacts import Artefacts
from netheal.rescoring.inputs import find_inputs
from netheal.rescoring.layouts import rescored_rejected_layout, rescored_verdicts_layout
from netheal.rescoring.plan import Request, RunPlan, RunProgress, Unit, read_json, require_run_id, require_same
from netheal.rescoring.planning import new_plan
from netheal.rescoring.unit_scorer import UnitReceipt
from netheal.settings import Settings
from netheal.sinks.delta_part import remove_uncommitted
from netheal.store.delta import DeltaLog
from netheal.store.delta_files import require_reachable

AHEAD = 16
"""Units beyond the one that is committed next that may be scored already."""
_PLAN, _PROGRESS, _MODELS = "plan.json", "progress.json", "models"


@dataclass(frozen=True)
class Work:
    """All that whoever scores units needs: the plan, its models by hash, and where the tables are."""

    plan: RunPlan
    bundles: Mapping[str, ServedBundle]
    output: str


Mapper = Callable[[Work, Sequence[Unit]], Iterator[UnitReceipt]]
"""Scores units, and gives their receipts in the order of the units, at most `AHEAD` ahead of the one that is taken."""
Tell = Callable[[RunPlan, RunProgress], None]
"""Called with how far the run is, before its first unit and after each."""


class Run:
    """One run; `output` is the folder or URI of its tables, `folder` has its plan, progress and report."""

    def __init__(self, settings: Settings, output: str | Path, run_id: str) -> None:
        require_run_id(run_id)
        self.run_id = run_id
        tables = local_folder(str(output))
        self._is_local = tables is not None
        self.output = str(output) if tables is None else str(tables.absolute())
        self.folder = (settings.paths.var_dir / "rescored" if tables is None else tables).absolute() / "runs" / run_id
        self._settings = settings

    def complete(self, request: Request, map_units: Mapper, tell: Tell) -> tuple[RunPlan, RunProgress]:
        """Do what is left of the run, all of it where it is new, and write its report.

        Raises SettingsError where it cannot be done as asked, StreamRefused where stored rows are gone,
        ServiceUnavailable and NethealError where scoring or writing failed: started again it goes on.
        """
        require_reachable({"the output": self.output})
        try:
            with self._alone():
                work = self._work(request)
                progress = self._score(work, map_units, tell)
                self._write_report(work.plan, progress)
                return work.plan, progress
        except OSError as error:
            if self._is_local:
                raise write_error(self.folder, error) from error
            raise ServiceUnavailable(f"{self.output} does not answer: {' '.join(str(error).split())}") from error

    def _alone(self) -> FolderLock:
        lock = FolderLock(self.folder)
        if lock.held_elsewhere():
            raise SettingsError(f"another process does run {self.run_id}: wait for it, or give another --run-id")
        return lock

    def _work(self, request: Request) -> Work:
        plan = read_json(self.folder / _PLAN, RunPlan)
        models = Artefacts(self.folder / _MODELS)
        if plan is None:
            plan, bundles = new_plan(self._settings, self.run_id, request)
            for bundle in bundles:
                models.put(bundle)
            self._keep(_PLAN, plan)
        else:
            require_same(plan, request, [] if request.stored else find_inputs(request.inputs))
        return Work(plan, {key: models.get(key) for key in plan.bundle_hashes}, self.output)

    def _score(self, work: Work, map_units: Mapper, tell: Tell) -> RunProgress:
        progress = read_json(self.folder / _PROGRESS, RunProgress) or RunProgress(errors=work.plan.errors)
        tell(work.plan, progress)
        left = work.plan.units[progress.units_done :]
        if left:
            tables = _Tables(work)
            tables.remove_leftovers(left[: AHEAD + 1])
            for receipt in map_units(work, left):
                if receipt.failure is not None:
                    raise NethealError(f"run {self.run_id} stopped: {receipt.failure}; started again it goes on")
                tables.commit(receipt)
                progress = _after(progress, receipt)
                self._keep(_PROGRESS, progress)
                tell(work.plan, progress)
        return progress

    def _keep(self, name: str, value: msgspec.Struct) -> None:
        write_whole(self.folder / name, msgspec.json.format(msgspec.json.encode(value), indent=1).decode())
        sync_path(self.folder)

    def _write_report(self, plan: RunPlan, progress: RunProgress) -> None:
        """From the run's rows, read back."""
        from netheal.rescoring.report.columns import REJECTED_COLUMNS, VERDICT_COLUMNS
        from netheal.rescoring.report.run_report import RunReport

        report = RunReport(plan.compared_with)
        for path, error in progress.errors.items():
            report.add_file_error(path, error)
        verdicts, rejected = (DeltaLog(layout, self.output) for layout in _LAYOUTS)
        no_verdicts, no_rejected = (layout.schema.empty_table() for layout in _LAYOUTS)
        there = [0, 0]
        for rows in verdicts.rows_with("run_id", plan.run_id, VERDICT_COLUMNS):
            report.add(rows, no_rejected)
            there[0] += rows.num_rows
        for rows in rejected.rows_with("run_id", plan.run_id, REJECTED_COLUMNS):
            report.add(no_verdicts, rows)
            there[1] += rows.num_rows
        if there != [progress.verdicts, progress.rejected]:
            raise StreamRefused(
                f"run {plan.run_id} stored {progress.verdicts} verdicts and {progress.rejected} rejected rows, and"
                f" {there[0]} and {there[1]} are there: somebody changed the tables. Do it again under another --run-id"
            )
        report.write(self.folder)


_LAYOUTS = (rescored_verdicts_layout(), rescored_rejected_layout())


class _Tables:
    """The two tables of rescored rows, as one run writes to them."""

    def __init__(self, work: Work) -> None:
        self._plan = work.plan
        self._logs = [DeltaLog(layout, work.output) for layout in _LAYOUTS]
        self._logs[0].add_columns(verdict_schema_of(bundle.contract for bundle in work.bundles.values()))

    def remove_leftovers(self, units: Sequence[Unit]) -> None:
        """Remove parts of units that were not committed."""
        for log in self._logs:
            for unit in units:
                remove_uncommitted(log, self._plan.owner, unit.number)

    def commit(self, receipt: UnitReceipt) -> None:
        """Make the unit's rows visible, once; parts that a table has already are removed."""
        number = receipt.unit.number
        for log, parts in zip(self._logs, (receipt.verdicts, receipt.rejected), strict=True):
            if parts and not log.commit(parts, self._plan.app_id, number):
                remove_uncommitted(log, self._plan.owner, number)


def _after(progress: RunProgress, receipt: UnitReceipt) -> RunProgress:
    errors = {path: receipt.error for path in receipt.unit.paths if receipt.error is not None}
    return RunProgress(
        units_done=receipt.unit.number + 1,
        verdicts=progress.verdicts + receipt.verdict_rows,
        rejected=progress.rejected + receipt.rejected_rows,
        errors=progress.errors | errors,
    )
