"""How large a model may become once what its file holds is expanded."""

from collections.abc import Iterable
from typing import Protocol

from netheal.bundles.intake.limits import MOST_MODEL_VALUES
from netheal.errors import BundleError


class Sized(Protocol):
    """A part of a model; `size` is how many numbers its tables hold."""

    @property
    def size(self) -> int:
        """How many numbers."""


def within_size[Part: Sized](parts: Iterable[Part]) -> list[Part]:
    """All parts, taken one by one; raises BundleError as soon as together they are too large."""
    kept, total = [], 0
    for part in parts:
        total += part.size
        if total > MOST_MODEL_VALUES:
            raise BundleError(
                f"the model expands to more than {MOST_MODEL_VALUES:,} numbers (a tree's nodes times its classes, a"
                " network's weights): train a smaller one"
            )
        kept.append(part)
    return kept
