"""docs/rescoring-report.md names every key of the document."""

import re
from pathlib import Path

from netheal.rescoring.report.run_report import RunReport


def test_every_key_of_the_document_is_described(root: Path) -> None:
    text = (root / "docs" / "rescoring-report.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(RunReport().document())
