"""The exactly-once protocol has the same numbered steps in docs/architecture.md and at the head of its module."""

import re

from jobs.stages import micro_batch
from netheal.settings import PROJECT_ROOT

STEPS = ["Plan", "Pin", "Clean up", "Score", "Write", "Commit", "Close", "Go on"]


def numbered(text: str) -> list[tuple[int, str]]:
    found = re.findall(r"^(\d)\. (?:\*\*)?([A-Z][a-z ]+)[.:]", text, re.MULTILINE)
    return [(int(number), title) for number, title in found]


def test_page_and_module_have_the_same_steps() -> None:
    page = (PROJECT_ROOT / "docs" / "architecture.md").read_text("utf-8")
    section = page.partition("\n## Exactly once, step by step\n")[2].partition("\n## ")[0]
    expected = list(enumerate(STEPS, start=1))
    assert numbered(section) == numbered(micro_batch.__doc__ or "") == expected
