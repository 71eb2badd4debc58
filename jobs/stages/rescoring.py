"""A rescoring run on Spark: a unit a task, as many at once as there are cores."""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pyspark import Broadcast
from pyspark.sql import SparkSession
from rich.console import Console

from jobs.stages.session import end_jvm, prepare_environment, spark_session, under_spark_submit
from jobs.stages.shared_store import require_shared_store
from netheal.errors import NethealError, ServiceUnavailable
from netheal.host.scratch import use_scratch_folder
from netheal.rescoring.arguments import parse_arguments, request_of
from netheal.rescoring.plan import RunPlan, RunProgress, Unit
from netheal.rescoring.progress_bar import ProgressBar
from netheal.rescoring.run import AHEAD, Run, Work
from netheal.rescoring.unit_scorer import UnitReceipt, UnitScorer
from netheal.settings import Settings, load_settings
from netheal.telemetry import configure_logging
from udfs.workers import forget_models_but, freeze_gc, loaded_model

_FAILED, _REFUSED, _FILES_LEFT_OUT = 1, 2, 3


def main(arguments: Sequence[str], stored: bool) -> int:
    """Do a run; the exit status: 0, 3 where a file was no flow file or broke off, 2 for a person, 1 to try again."""
    found = parse_arguments(arguments, stored)
    errors = Console(stderr=True, highlight=False)
    try:
        settings = load_settings() if found.var is None else load_settings(var_dir=Path(found.var).absolute())
        if under_spark_submit():
            configure_logging(log_format=settings.log.format)
        else:
            configure_logging(settings.paths.log_dir / "rescore.log", settings.log.format)
            use_scratch_folder(settings.paths.scratch_dir, "rescore")
        prepare_environment()
        run_id = found.run_id or f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        run = Run(settings, found.output or settings.paths.rescored_dir, run_id)
        with ProgressBar(run_id, errors) as bar, SparkMapper(settings) as mapper:
            plan, progress = run.complete(request_of(found), mapper, bar.show)
    except ServiceUnavailable as error:
        errors.print(f"[red]netheal:[/red] {error}", soft_wrap=True)
        return _FAILED
    except NethealError as error:
        errors.print(f"[red]netheal:[/red] {error}", soft_wrap=True)
        return _REFUSED
    finally:
        end_jvm()
    _tell(run, plan, progress, found.as_json)
    return _FILES_LEFT_OUT if progress.errors else 0


class SparkMapper:
    """Scores the units of a run in Spark tasks; the session is made when the first is, and stopped at the end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._spark: SparkSession | None = None

    def __enter__(self) -> Self:
        """Begin nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the session, if one was made."""
        if self._spark is not None:
            self._spark.stop()

    def __call__(self, work: Work, units: Sequence[Unit]) -> Iterator[UnitReceipt]:
        """The receipts, in the order of the units."""
        self._spark = spark = spark_session(self._settings)
        require_shared_store(spark, work.output)
        shared = spark.sparkContext.broadcast(work)

        def score(unit: Unit) -> UnitReceipt:
            def task(rows: Iterable[Unit]) -> Iterator[UnitReceipt]:
                return map(scorer_of(shared), rows)

            (receipt,) = spark.sparkContext.parallelize([unit], 1).mapPartitions(task).collect()
            return receipt

        with ThreadPoolExecutor(spark.sparkContext.defaultParallelism) as pool:
            waiting: deque[Future[UnitReceipt]] = deque()
            try:
                for unit in units:
                    waiting.append(pool.submit(score, unit))
                    if len(waiting) > AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def scorer_of(shared: Broadcast[Work]) -> UnitScorer:
    """The scorer of a run, in a worker that keeps its models."""
    work = shared.value
    freeze_gc()
    forget_models_but(work.bundles.keys())
    return UnitScorer(work.plan, {key: loaded_model(bundle) for key, bundle in work.bundles.items()}, work.output)


def _tell(run: Run, plan: RunPlan, progress: RunProgress, as_json: bool) -> None:
    if as_json:
        summary = {
            "run_id": plan.run_id,
            "verdicts": progress.verdicts,
            "rejected": progress.rejected,
            "errors": progress.errors,
            "output": str(run.output),
            "report": str(run.folder / "report.html"),
        }
        print(json.dumps(summary, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for path, error in progress.errors.items():
        console.print(f"left out, at least in part: {path}: {error}", soft_wrap=True, markup=False)
    console.print(
        f"run {plan.run_id}: {progress.verdicts:,} verdicts, {progress.rejected:,} rejected rows in {run.output}\n"
        f"report: {run.folder / 'report.html'}",
        soft_wrap=True,
        markup=False,
    )
