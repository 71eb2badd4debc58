"""docs/tables.md and docs/features.md describe every column of the Delta tables."""

from deltalake.schema import Schema

from netheal.contracts.catalogue import known_features
from netheal.contracts.features_page import page
from netheal.contracts.schema import category_column
from netheal.rescoring.layouts import rescored_rejected_layout, rescored_verdicts_layout
from netheal.settings import PROJECT_ROOT
from netheal.store.delta import Layout, quarantine_layout, verdicts_layout
from tests.documented_columns import assert_documented, documented_tables


def stored(layout: Layout) -> dict[str, str]:
    return {field.name: field.type.type for field in Schema.from_arrow(layout.stored).fields}


def test_every_column_is_described() -> None:
    tables = documented_tables()
    features = {feature.column for feature in known_features().values()}
    features |= {category_column(feature.column) for feature in known_features().values() if feature.category}
    for layout in (verdicts_layout(), quarantine_layout()):
        heading = f"Delta `{layout.name}`"
        actual = {column: kind for column, kind in stored(layout).items() if column not in features}
        assert_documented(heading, {column: cells[0] for column, cells in tables[heading].items()}, actual)


def test_every_column_of_rescored_rows_is_described() -> None:
    tables = documented_tables()
    like = ((rescored_verdicts_layout(), verdicts_layout()), (rescored_rejected_layout(), quarantine_layout()))
    for layout, other in like:
        heading = f"Delta `{layout.name}`"
        own = {column: kind for column, kind in stored(layout).items() if column not in stored(other)}
        assert_documented(heading, {column: cells[0] for column, cells in tables[heading].items()}, own)


def test_the_page_of_features_is_made_of_the_catalogue() -> None:
    written = (PROJECT_ROOT / "docs" / "features.md").read_text("utf-8")
    assert written == page(), "python -m netheal.contracts.features_page > docs/features.md"
    lacking = [feature.name for feature in known_features().values() if not feature.meaning]
    assert not lacking, f"say in the catalogue what these features mean: {lacking}"
