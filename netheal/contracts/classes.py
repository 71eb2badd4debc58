"""The 14 attack classes and the spellings in which training files carry them."""

import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

_DASHES = re.compile(r"[\s\u2013\u2014\u0096\ufffd_-]+")


def _key(label: str) -> str:
    return _DASHES.sub(" ", label).strip().casefold()


def _label_key(label: str) -> str:
    """As KDD'99 writes them, labels end in a dot."""
    return _key(label).rstrip(".")


@dataclass(frozen=True)
class AttackClasses:
    """Class names by id (their place in `names`), the benign one, and labels known to lie outside.

    `normal_labels` and `attack_labels` are those of sets that tell only the two apart, or attacks of other names
    (NSL-KDD's).
    """

    names: tuple[str, ...]
    benign: str
    aliases: dict[str, str]
    outside: frozenset[str]
    normal_labels: frozenset[str]
    attack_labels: frozenset[str]

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

    @cached_property
    def _known_by_key(self) -> dict[str, tuple[str, bool]]:
        """Every label that is listed: its spelling here, and whether it is an attack."""
        known = [(label, label, True) for label in (*self.attack_labels, *self.outside)]
        known += [(label, label, False) for label in self.normal_labels]
        known += [(label, name, name != self.benign) for label, name in self._by_key.items()]
        return {_key(label): (shown, attack) for label, shown, attack in known}

    def known_label(self, label: str) -> str | None:
        """The one spelling of a label that is a class or is listed as outside of them; None for any other.

        >>> [attack_classes().known_label(label) for label in ("ddos", " Neptune.", "HEARTBLEED", "?")]
        ['DDoS', 'neptune', 'Heartbleed', None]
        """
        return self._known_by_key.get(_label_key(label), (None, False))[0]

    def is_attack_label(self, label: str) -> bool | None:
        """Whether a label means an attack, be it one of the 14 or not; None for a label that nobody knows.

        >>> [attack_classes().is_attack_label(label) for label in ("DDoS", "neptune.", "normal", "Heartbleed", "?")]
        [True, True, False, True, None]
        """
        return self._known_by_key.get(_label_key(label), (None, None))[1]

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
        normal_labels=frozenset(document["normal_labels"]),
        attack_labels=frozenset(document["attack_labels"]),
    )
