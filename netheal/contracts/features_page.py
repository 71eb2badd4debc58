"""The page that lists every known feature: `python -m netheal.contracts.features_page > docs/features.md`."""

import json
import math
from importlib.resources import files

from netheal.contracts.catalogue import CATALOGUE_FILES, known_features
from netheal.contracts.contract import wire_contracts
from netheal.contracts.feature import Feature
from netheal.contracts.schema import category_column

_HEAD = """# Features

<!-- Made by `python -m netheal.contracts.features_page > docs/features.md`: change the catalogue, not this page. -->

The features that netheal knows by themselves: their exact names in messages, spaces at the ends included, the range
that a row is checked against, and the column of Delta `verdicts` that keeps them, as a double
([tables.md](tables.md)). Those of the shipped contracts have their columns from the beginning, others from the
first batch that an active model needs them in; a feature that a profile declares has the column `feature_…`
([models.md](models.md#features-of-its-own)). Of a category, the column has the code that the model's encoder gives,
and a second one the word as it came.
"""
_TABLE = "| column | in the message | range | unit | meaning | contracts |\n|---|---|---|---|---|---|"


def page() -> str:
    """A table for each data set of the catalogue, as Markdown."""
    parts = [_HEAD]
    for name in CATALOGUE_FILES:
        document = json.loads((files("netheal.contracts") / "data" / name).read_text("utf-8"))
        rows = [_row(known_features()[entry["name"]]) for entry in document["features"]]
        parts.append("\n".join([f"## {document['source']}\n", _TABLE, *rows]) + "\n")
    return "\n".join(parts)


def _row(feature: Feature) -> str:
    column = f"`{feature.column}`" + (f", `{category_column(feature.column)}`" if feature.category else "")
    least = f"{feature.minimum:g}"
    bounds = f"≥ {least}" if math.isinf(feature.maximum) else f"{least} to {feature.maximum:g}"
    contracts = ", ".join(known.id for known in wire_contracts() if feature.name in known.names)
    cells = [column, f'`"{feature.name}"`', bounds, feature.unit, feature.meaning, contracts]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    print(page(), end="")
