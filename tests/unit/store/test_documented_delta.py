"""docs/tables.md describes every column of the Delta tables, and every feature with its name and range."""

import math

from deltalake.schema import Schema

from netheal.contracts import Feature, wire_contracts
from netheal.store.delta import Layout, quarantine_layout, verdicts_layout
from tests.documented_columns import assert_documented, documented_tables

VERDICTS, FEATURES, QUARANTINE = "Delta `verdicts`", "Delta `verdicts`: features", "Delta `quarantine`"


def stored(layout: Layout) -> dict[str, str]:
    return {field.name: field.type.type for field in Schema.from_arrow(layout.stored).fields}


def range_of(feature: Feature) -> str:
    least = f"{feature.minimum:g}"
    return f"≥ {least}" if math.isinf(feature.maximum) else f"{least} to {feature.maximum:g}"


def test_every_column_is_described() -> None:
    tables = documented_tables()
    verdicts = {column: cells[0] for column, cells in tables[VERDICTS].items()}
    verdicts |= dict.fromkeys(tables[FEATURES], "double")
    assert_documented(VERDICTS, verdicts, stored(verdicts_layout()))
    quarantine = {column: cells[0] for column, cells in tables[QUARANTINE].items()}
    assert_documented(QUARANTINE, quarantine, stored(quarantine_layout()))


def test_every_feature_has_its_name_and_its_range() -> None:
    described = {column: cells[:2] for column, cells in documented_tables()[FEATURES].items()}
    for feature in (feature for known in wire_contracts() for feature in known.features):
        assert described[feature.column] == [f'`"{feature.name}"`', range_of(feature)], feature.column
