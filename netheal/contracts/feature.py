"""One input of a model: its name on the wire, its range, its column in stored tables."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Feature:
    """One model input.

    `name` is exact on the wire (leading spaces and all), `column` is its name in stored tables,
    `minimum` and `maximum` are inclusive, `category` says that the value may come as a string,
    `aliases` are other names that flow meters give it in files, `meaning` is for people.
    """

    name: str
    column: str
    minimum: float
    maximum: float
    category: bool = False
    aliases: tuple[str, ...] = ()
    unit: str = ""
    meaning: str = ""

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names under which a file may have it."""
        return (self.name, self.column, *self.aliases)


def feature_document(feature: Feature) -> dict[str, Any]:
    """The JSON document of a feature, without its aliases; `parse_feature` reads it back."""
    document: dict[str, Any] = {"name": feature.name, "column": feature.column, "minimum": feature.minimum}
    if math.isfinite(feature.maximum):
        document["maximum"] = feature.maximum
    if feature.category:
        document["category"] = True
    told = {"unit": feature.unit, "meaning": feature.meaning}
    return document | {key: text for key, text in told.items() if text}


def parse_feature(document: dict[str, Any]) -> Feature:
    """A feature from its JSON document; raises KeyError, TypeError or ValueError where it is none."""
    return Feature(
        name=document["name"],
        column=document["column"],
        minimum=float(document["minimum"]),
        maximum=float(document.get("maximum", math.inf)),
        category=bool(document.get("category", False)),
        aliases=tuple(document.get("aliases", ())),
        unit=str(document.get("unit", "")),
        meaning=str(document.get("meaning", "")),
    )
