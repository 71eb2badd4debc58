"""The identity envelope: what a message may carry beside its features."""

import json
from functools import cache
from importlib.resources import files


@cache
def envelope_spellings() -> dict[str, tuple[str, ...]]:
    """Envelope field -> the names under which messages carry it, the first present one wins."""
    text = (files("netheal.contracts") / "data" / "envelope.json").read_text("utf-8")
    return {field: tuple(names) for field, names in json.loads(text).items()}
