"""The names that mean something in a message: the features of some contracts and the envelope's fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from netheal.contracts import Contract, Feature, envelope_spellings


@dataclass(frozen=True)
class Vocabulary:
    """All features of `contracts`, each once, in a fixed order: numbers first, then categories."""

    contracts: tuple[Contract, ...]

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """Every feature, numbers before categories; what is a category in one contract is one here."""
        by_name: dict[str, Feature] = {}
        for feature in (feature for contract in self.contracts for feature in contract.features):
            if feature.name not in by_name or feature.category:
                by_name[feature.name] = feature
        return tuple(sorted(by_name.values(), key=lambda feature: feature.category))

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Wire names of the features that are always numbers."""
        return tuple(f.name for f in self.features if not f.category)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Wire names of the features that may come as a string."""
        return tuple(f.name for f in self.features if f.category)

    @cached_property
    def place(self) -> dict[str, int]:
        """Wire name -> column of the matrix of decoded rows."""
        return {feature.name: at for at, feature in enumerate(self.features)}

    @cached_property
    def envelope(self) -> dict[str, tuple[str, ...]]:
        """Envelope field -> its spellings, without those that a contract claims as a feature."""
        return {
            field: tuple(name for name in names if name not in self.place)
            for field, names in envelope_spellings().items()
        }

    def places(self, contract: Contract) -> list[int]:
        """Columns of the matrix that are the features of `contract`, in its order."""
        return [self.place[name] for name in contract.names]


def vocabulary(contracts: Sequence[Contract]) -> Vocabulary:
    """The vocabulary of these contracts."""
    return Vocabulary(tuple(contracts))
