"""Maintenance of the stores: `netheal maintain`, or `python -m jobs.maintain`; once a night, by cron or a timer.

Safe beside the running stream: `netheal/maintenance/maintain.py` says why.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

from jobs.command_line import Report, job_parser, run_job
from netheal.embedded.running import named_postgres
from netheal.maintenance.maintain import Maintenance
from netheal.settings import Settings
from netheal.store.database import connect
from netheal.store.progress import require_head

_MIB = 2**20
_NICENESS = 10


def maintain(settings: Settings, options: Namespace) -> Report:
    """Do it, or say what would be done; the report of `Maintenance`."""
    named = named_postgres(settings)
    connection = connect(named.postgres.dsn.get_secret_value())
    try:
        require_head(connection)
        maintenance = Maintenance(named, connection)
        return maintenance.plan() if options.dry_run else maintenance.run()
    finally:
        connection.close()


def _in_words(report: dict[str, Any]) -> str:
    lines = ["What would be done:"] if report["dry_run"] else []
    for name, figures in report["delta"].items():
        lines += [f"Delta {name}", *(f"  {line}" for line in _delta_lines(figures))]
    return "\n".join([*lines, "Postgres", *(f"  {line}" for line in _postgres_lines(report["postgres"]))])


def _delta_lines(figures: dict[str, Any]) -> Iterator[str]:
    if not figures:
        yield "there is no table yet"
        return
    expired, files = figures["retention"], figures["vacuum"]
    yield f"retention: {expired['rows']} rows in {expired['parts']} parts, {_mib(expired['bytes'])}"
    yield f"compaction: {figures['compaction']['parts']} small parts"
    yield f"VACUUM: {files['files']} files that nothing needs, {_mib(files['bytes'])}"
    for when in ("before", "after"):
        if when in figures:
            size = figures[when]
            yield (
                f"{when}: {size['rows']} rows in {size['parts']} parts, {_mib(size['bytes'])};"
                f" {_mib(size['bytes_on_disk'])} on disk"
            )


def _postgres_lines(figures: dict[str, Any]) -> Iterator[str]:
    days = figures["partitions"]
    yield f"days: {len(days['make'])} made, {len(days['drop'])} dropped, {days['old_rows']} old rows outside of them"
    yield f"ledger: {figures['ledger']['rows']} rows; replays: {figures['replays']['rows']} rows"
    yield f"drift: {figures['drift']['windows']} windows"
    yield f"statistics: {len(figures['analyze'])} tables"
    for when in ("before", "after"):
        if when in figures:
            yield f"{when}: {_mib(sum(figures[when].values()))}"


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:.1f} MiB"


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point."""
    os.nice(_NICENESS)  # the stream's workers need the cores more
    description = "Delete what is kept no longer, compact, VACUUM, make and drop days, prune the ledger, ANALYZE."
    return run_job(job_parser("netheal maintain", description), arguments, maintain, _in_words)


if __name__ == "__main__":
    sys.exit(main())
