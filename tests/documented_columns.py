"""The tables of docs/tables.md."""

import re

from netheal.settings import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "tables.md"
_ROW = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)


def documented_tables() -> dict[str, dict[str, list[str]]]:
    """Heading -> column -> the other cells of its row; every row's last cell, what it means, must say something."""
    tables = {}
    for section in PAGE.read_text("utf-8").split("\n### ")[1:]:
        heading = section.partition("\n")[0]
        rows = _ROW.findall(section)
        tables[heading] = {column: [cell.strip() for cell in rest.split(" | ")] for column, rest in rows}
        assert len(tables[heading]) == len(rows), f"{heading} has a column twice"
    lacking = [f"{heading} {column}" for heading, of in tables.items() for column, cells in of.items() if not cells[-1]]
    assert not lacking, f"say in docs/tables.md what these columns mean: {lacking}"
    return tables


def assert_documented(heading: str, documented: dict[str, str], actual: dict[str, str]) -> None:
    """Columns and their types are those of the page; `heading` is the table's, for the message of a failure."""
    missing, gone = sorted(actual.keys() - documented.keys()), sorted(documented.keys() - actual.keys())
    assert not missing, f"describe these columns of {heading} in docs/tables.md: {missing}"
    assert not gone, f"docs/tables.md describes columns that {heading} does not have: {gone}"
    wrong = {column: kind for column, kind in actual.items() if documented[column] != kind}
    assert not wrong, f"docs/tables.md gives these columns of {heading} another type: {wrong}"
