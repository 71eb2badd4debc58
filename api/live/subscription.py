"""What a client asks for in the socket's URL: which rows, and how much of each."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from werkzeug.datastructures import MultiDict

from api.errors import Refusal
from api.live.messages import Message
from netheal.contracts import attack_classes
from netheal.contracts.verdict import passes_minimum

SINGLE = ("only", "min_score", "min_confidence", "sample", "detail")
REPEATABLE = "class"
_SPREAD = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


@dataclass(frozen=True)
class Filter:
    """Which rows. The rows of a smaller sample are among those of a larger one, whoever asks and whenever."""

    only_attacks: bool = False
    class_ids: frozenset[int] = frozenset()
    min_score: float | None = None
    min_confidence: float | None = None
    sample: float = 1.0

    @property
    def matches_all(self) -> bool:
        """Whether every row passes."""
        return self == _EVERYTHING

    def matches(self, message: Message) -> bool:
        """Whether this row passes."""
        return (
            (message.is_attack or not self.only_attacks)
            and (not self.class_ids or message.class_id in self.class_ids)
            and passes_minimum(message.score, self.min_score)
            and passes_minimum(message.confidence, self.min_confidence)
            and (self.sample >= 1.0 or _sample_hash(message.row.traffic_data_id) < self.sample)
        )

    def select(self, messages: Iterable[Message]) -> list[Message]:
        """Those that pass, in order."""
        return [message for message in messages if self.matches(message)]


_EVERYTHING = Filter()


@dataclass(frozen=True)
class Subscription:
    """All that a client asks for; one that asks for nothing gets every row with the contract's keys."""

    filter: Filter = _EVERYTHING
    full: bool = False


def read_subscription(options: MultiDict[str, str]) -> Subscription:
    """The options `only`, `class` (may be repeated), `min_score`, `min_confidence`, `sample`, `detail`.

    Score and confidence are those of `netheal.contracts.verdict`. Raises Refusal (400).
    """
    only = options.get("only")
    if only not in (None, "attacks"):
        raise _refused("only", "attacks is all it may be")
    detail = options.get("detail")
    if detail not in (None, "contract", "full"):
        raise _refused("detail", "it must be contract or full")
    sample = _number(options, "sample", 1.0)
    if not 0 < sample <= 1:
        raise _refused("sample", "it must be above 0, and 1 at most")
    bounds = {name: _bound(options, name) for name in ("min_score", "min_confidence")}
    class_ids = frozenset(_class_id(name) for name in options.getlist(REPEATABLE))
    return Subscription(Filter(only is not None, class_ids, sample=sample, **bounds), detail == "full")


def _bound(options: MultiDict[str, str], name: str) -> float | None:
    if name not in options:
        return None
    value = _number(options, name, 0.0)
    if not 0 <= value <= 1:
        raise _refused(name, "it must be between 0 and 1")
    return value


def _number(options: MultiDict[str, str], name: str, default: float) -> float:
    text = options.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _refused(name, "it must be a number")
    return value


def _class_id(name: str) -> int:
    classes = attack_classes()
    canonical = classes.canonical(name)
    if canonical is None:
        raise _refused("class", f"there is no such class: {', '.join(classes.names)} are")
    return classes.id_of(canonical)


def _refused(option: str, message: str) -> Refusal:
    return Refusal(400, "bad_request", f"the option {option} is wrong: {message}", {option: [message]})


def _sample_hash(event_id: int) -> float:
    """A number in [0, 1) that depends on the event alone (Fibonacci hashing)."""
    return float((event_id * _SPREAD & _MASK) / 2**64)
