"""The strict quick decoder for one set of keys."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from struct import Struct
from typing import Any

import msgspec

from netheal.records.vocabulary import Vocabulary

_MOST_KEYS = 256

Fields = dict[str, tuple[Any, Any]]
"""Wire name -> its type and the value that stands for its absence."""


@dataclass(frozen=True)
class Shape:
    """A set of keys, numbers first: `decode` makes a struct of a message that has them, and raises for another.

    `numbers` and `others` are wire names in the order of the struct's fields, `places` the numbers' columns
    in the matrix of the vocabulary, `pack` packs the numbers as doubles.
    """

    numbers: tuple[str, ...]
    others: tuple[str, ...]
    places: list[int]
    decode: Callable[[bytes], Any]
    pack: Callable[..., bytes]
    _struct: type[msgspec.Struct]

    def flow(self, known: dict[str, Any]) -> Any:
        """The struct with these values by wire name; what is left out is absent."""
        names = (*self.numbers, *self.others)
        return self._struct(**{f"field_{at}": known[name] for at, name in enumerate(names) if name in known})

    @classmethod
    def of_all(cls, vocabulary: Vocabulary) -> "Shape":
        """For any message: every known name may be absent, unknown ones are skipped."""
        fields = _known(vocabulary)
        return _shape(vocabulary, list(fields), fields, required=False)

    @staticmethod
    def possible(keys: Sequence[str]) -> bool:
        """Whether `of_keys` takes these: strangers choose the keys of their messages."""
        plain = all(key.isprintable() and "\\" not in key and '"' not in key for key in keys)
        return plain and len(keys) <= _MOST_KEYS

    @classmethod
    def of_keys(cls, vocabulary: Vocabulary, keys: Sequence[str]) -> "Shape":
        """For messages with exactly these keys, known and unknown."""
        known = _known(vocabulary)
        return _shape(vocabulary, keys, {key: known.get(key, (msgspec.Raw, None)) for key in keys}, required=True)


def _known(vocabulary: Vocabulary) -> Fields:
    fields: Fields = dict.fromkeys(vocabulary.numbers, (float, math.nan))
    fields |= dict.fromkeys(vocabulary.categories, (float | str, math.nan))
    spellings = chain.from_iterable(vocabulary.envelope.values())
    return fields | dict.fromkeys(spellings, (str | int | float | None, None))


def _shape(vocabulary: Vocabulary, keys: Sequence[str], fields: Fields, required: bool) -> Shape:
    among = set(vocabulary.numbers)
    numbers = tuple(key for key in keys if key in among)
    others = tuple(key for key in keys if key not in among)
    names = {f"field_{at}": key for at, key in enumerate((*numbers, *others))}
    definitions = [(name, fields[key][0]) if required else (name, *fields[key]) for name, key in names.items()]
    struct = msgspec.defstruct("Flow", definitions, rename=names, gc=False, forbid_unknown_fields=required)
    pack = Struct(f"={len(numbers)}d").pack
    places = [vocabulary.place[name] for name in numbers]
    return Shape(numbers, others, places, msgspec.json.Decoder(struct).decode, pack, struct)
