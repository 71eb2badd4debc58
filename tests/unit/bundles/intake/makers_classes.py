"""Classes as the makers of bundles write them for `artifacts`; each is made of the fields' values by name."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple


class PreprocessArtifacts:
    """A plain object."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Slotted:
    """Its state is a pair of no dictionary and the slots'."""

    __slots__ = ("encoders", "removed_columns", "scaler", "selected_features")

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class SlottedAndMore(Slotted):
    """Its state is a pair of a dictionary and the slots'."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.written_by = "a maker"


@dataclass
class ThreatArtifacts:
    """A dataclass."""

    encoders: Any
    scaler: Any
    selected_features: Any
    removed_columns: Any = ()


@dataclass(slots=True)
class SlottedArtifacts:
    """A dataclass of slots."""

    encoders: Any
    scaler: Any
    selected_features: Any
    removed_columns: Any = ()


class Derived(ThreatArtifacts):
    """One that inherits."""


FORMS: dict[str, Any] = {
    "plain": PreprocessArtifacts,
    "slots": Slotted,
    "slots_and_more": SlottedAndMore,
    "dataclass": ThreatArtifacts,
    "dataclass_slots": SlottedArtifacts,
    "derived": Derived,
    "namespace": SimpleNamespace,
}


@dataclass(frozen=True, slots=True)
class Frozen:
    """Saved as a list of values without their names."""

    selected_features: Any
    scaler: Any


class Tuple(NamedTuple):
    """Saved as values without their names."""

    selected_features: Any
    scaler: Any


class OwnState:
    """Only its own code can read what it saves."""

    def __init__(self, **values: Any) -> None:
        self.values = list(values.values())

    def __getstate__(self) -> Any:
        return self.values

    def __setstate__(self, state: Any) -> None:
        self.values = state


class DecisionTreeClassifier:
    """Called as scikit-learn's, and another."""


class Scaler:
    """Somebody's own."""

    def fit(self, rows: Any, kinds: Any = None) -> "Scaler":
        """Learn nothing."""
        return self

    def transform(self, rows: Any) -> Any:
        """Change nothing."""
        return rows
