"""The code blocks of a page of the documentation, so that tests run what readers copy."""

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """The code between two fences, the language that the first one names, and the section that it stands in."""

    section: str
    language: str
    code: str


def fenced_blocks(page: Path, language: str = "") -> list[Block]:
    """The blocks of a page that name a language, or this one, from top to bottom."""
    text = page.read_text("utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        sections = _HEADING.findall(text, 0, fence.start())
        found.append(Block(sections[-1] if sections else "", fence[1], fence[2]))
    return [block for block in found if language in ("", block.language)]
