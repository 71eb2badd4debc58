"""Features that nobody but a model's maker knows, as the profile beside a bundle declares them."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from netheal.contracts.catalogue import known_features
from netheal.contracts.envelope import envelope_spellings
from netheal.contracts.feature import Feature
from netheal.contracts.spelling import header_key
from netheal.errors import ContractError
from netheal.wording import quoted, shown

MOST_DECLARED = 256
"""Features that one model may declare: each is a column of the stored verdicts, for ever."""
DECLARED_PREFIX = "feature_"
"""Begins the stored column of a feature that was declared, and of no other."""
EXAMPLE = '{"type": "number", "minimum": 0, "maximum": 8, "unit": "bits", "meaning": "Entropy of a byte of payload"}'
"""A definition, as a profile has it."""

_NAME_CHARS = 128
_MEANING_CHARS = 500
_UNIT_CHARS = 40
_HASH_DIGITS = 8
_TYPES = ("number", "category")


def declared_features(definitions: Any) -> dict[str, Feature]:
    """The features of a profile's `feature_definitions`: name -> type, range, unit and meaning.

    Raises ContractError where something is missing, or where a name means something already.
    """
    if not isinstance(definitions, dict) or len(definitions) > MOST_DECLARED:
        raise ContractError(f'"feature_definitions" is no object of up to {MOST_DECLARED} features by their names')
    features = {name: _declared(name, definition) for name, definition in definitions.items()}
    _require_distinct(features)
    return features


def declared_column(name: str) -> str:
    """The stored column of a declared feature; another name has another one.

    >>> declared_column("payload_entropy"), declared_column("Payload Entropy")
    ('feature_payload_entropy', 'feature_payload_entropy_7a2fd57d')
    """
    key = header_key(name)
    if key == name:
        return f"{DECLARED_PREFIX}{key}"
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{DECLARED_PREFIX}{key}_{digest}"


def _declared(name: Any, definition: Any) -> Feature:
    if not _is_name(name):
        raise ContractError(
            f"a declared feature is named {shown(name)}: 1 to {_NAME_CHARS} printable characters without quotation"
            " marks and backslashes make a name"
        )
    what = f"{quoted(name)} in feature_definitions"
    if not isinstance(definition, dict):
        raise ContractError(f"{what} is no object such as {EXAMPLE}")
    if definition.get("type") not in _TYPES:
        raise ContractError(f"{what} has type {shown(definition.get('type'))}: {' or '.join(_TYPES)} is needed")
    category = definition["type"] == "category"
    minimum = _bound(definition.get("minimum", 0 if category else None), f"minimum of {what}")
    maximum = definition.get("maximum")
    highest = math.inf if maximum is None else _bound(maximum, f"maximum of {what}")
    if minimum >= highest or (category and minimum < 0):
        raise ContractError(f"{what} has the range {shown(minimum)} to {shown(highest)}, in which no value lies")
    return Feature(
        name=name,
        column=declared_column(name),
        minimum=minimum,
        maximum=highest,
        category=category,
        unit=_text(definition.get("unit", ""), f"unit of {what}", _UNIT_CHARS),
        meaning=_text(definition.get("meaning"), f"meaning of {what}", _MEANING_CHARS),
    )


def _is_name(name: Any) -> bool:
    if not isinstance(name, str) or not 0 < len(name) <= _NAME_CHARS:
        return False
    return name.isprintable() and bool(name.strip()) and not {'"', "\\"} & set(name)


def _bound(value: Any, what: str) -> float:
    if type(value) not in (int, float) or not abs(value) <= 1e300:
        raise ContractError(f"the {what} is {shown(value)}: a number is needed (a maximum may be left out)")
    return float(value)


def _text(value: Any, what: str, most: int) -> str:
    if not isinstance(value, str) or len(value) > most or not (value == "" or value.isprintable()):
        raise ContractError(f"the {what} is {shown(value)}: a text of up to {most} printable characters is needed")
    return value


def _require_distinct(features: Mapping[str, Feature]) -> None:
    """Raises ContractError for a name that is a spelling of another, which a reader of files takes for the same."""
    taken = {header_key(s): f"the envelope's {quoted(s)}" for spelled in envelope_spellings().values() for s in spelled}
    for known in known_features().values():
        for spelling in known.spellings:
            taken[header_key(spelling)] = f"the known feature {quoted(known.name)}"
    for name in features:
        key = header_key(name)
        if key in taken:
            raise ContractError(f"the declared feature {quoted(name)} is a spelling of {taken[key]}: rename it")
        taken[key] = f"the declared feature {quoted(name)}"
