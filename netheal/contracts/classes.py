"""The 14 attack classes and the spellings in which training files carry them."""

import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

_DASHES = re.compile(r"[\s\u2013\u2014\u0096\ufffd_-]+")


def _key(label: str) -> str:
    return _DASHES.sub(" ", label).strip().casefold()


@dataclass(frozen=True)
class AttackClasses:
    """Class names by id (their place in `names`), the benign one, and labels known to lie outside."""

    names: tuple[str, ...]
    benign: str
    aliases: dict[str, str]
    outside: frozenset[str]

    @cached_property
    def _by_key(self) -> dict[str, str]:
        spelled = {_key(name): name for name in self.names}
        return spelled | {_key(alias): name for alias, name in self.aliases.items()}

    def canonical(self, label: str) -> str | None:
        """The class a training label means, whatever its dash and case; None for a label outside the 14.

        >>> attack_classes().canonical("Web Attack \\ufffd XSS")
        'Web Attack – XSS'
        >>> attack_classes().canonical("Heartbleed") is None
        True
        """
        return self._by_key.get(_key(label))

    def id_of(self, name: str) -> int:
        """The id of a canonical class name; raises ValueError for another."""
        return self.names.index(name)


@cache
def attack_classes() -> AttackClasses:
    """The classes of the shipped file."""
    document = json.loads((files("netheal.contracts") / "data" / "classes.json").read_text("utf-8"))
    return AttackClasses(
        names=tuple(document["classes"]),
        benign=document["benign"],
        aliases=dict(document["aliases"]),
        outside=frozenset(document["outside"]),
    )
