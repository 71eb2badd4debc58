"""The figures of a rescoring run, added up as its rows come, in memory that does not grow with them.

What is kept: counts by file, reason, class, model and label; two confusion matrices; the first rows of each kind of
error; and histograms of scores. Reports of parts of a run are merged to the same report, whatever the order; only where
there are more unknown labels than are counted apart it depends on it which these are.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from netheal.host.atomic_write import write_whole
from netheal.rescoring.report.count_rows import count_rejected, count_verdicts
from netheal.rescoring.report.document import report_document
from netheal.rescoring.report.page import report_page
from netheal.rescoring.report.tally import Tally

JSON_FILE, PAGE_FILE = "report.json", "report.html"


class RunReport:
    """Add batches of a run in any order, then write.

    `compared_with` names the models whose verdicts the columns `other_…` hold; without them it is not used.
    """

    def __init__(self, compared_with: str | None = None) -> None:
        self._tally = Tally(compared_with)

    def add(self, verdicts: pa.Table, rejected: pa.Table) -> None:
        """Count the rows of a batch.

        Both tables have what is stored of verdicts and of rejected rows, and `run_id`, `file` and `line` (null where
        they are of no file); of these only `VERDICT_COLUMNS` and `REJECTED_COLUMNS` are read. `label` is null where
        there is none, and `other_is_attack` where no other model took the row; its columns may be absent altogether.
        """
        if verdicts.num_rows:
            count_verdicts(self._tally, verdicts)
        if rejected.num_rows:
            count_rejected(self._tally, rejected)

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
