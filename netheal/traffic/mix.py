"""What is generated when: mostly benign flows, with episodes of one attack each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np

Kind = Literal["attack/v1", "threat/v1", "threat/v2", "both"]
"""Whose features a message has; `both` has those of attack/v1 and threat/v1."""


@dataclass(frozen=True)
class Episode:
    """An attack: its class in either profile, the chance that it is next, its number of source addresses."""

    attack: str
    threat: tuple[str, ...]
    weight: float
    sources: int


@dataclass(frozen=True)
class Mix:
    """Shares of kinds of message, and lengths in rows of quiet times and episodes, each (least, most).

    In an episode `attack_share` of the rows are the attack's; all other rows are benign.
    """

    contracts: Mapping[Kind, float]
    quiet_rows: tuple[int, int]
    episode_rows: tuple[int, int]
    attack_share: float
    benign: Episode
    episodes: tuple[Episode, ...]


@dataclass(frozen=True)
class Plan:
    """For each row its episode (or the benign one), the episode's running number, its kind of message."""

    episodes: list[Episode]
    numbers: list[int]
    kinds: list[Kind]


@cache
def default_mix() -> Mix:
    """The mix of this package."""
    text = (files("netheal.traffic") / "profiles" / "mix.json").read_text("utf-8")
    return parse_mix(json.loads(text))


def parse_mix(document: Mapping[str, Any]) -> Mix:
    """A mix from the JSON of a mix file."""
    benign = document["benign"]
    return Mix(
        contracts=dict(document["contracts"]),
        quiet_rows=tuple(document["quiet_rows"]),
        episode_rows=tuple(document["episode_rows"]),
        attack_share=float(document["attack_share"]),
        benign=Episode(benign["attack"], (benign["threat"],), 0.0, 0),
        episodes=tuple(
            Episode(entry["attack"], tuple(entry["threat"]), float(entry["weight"]), int(entry["sources"]))
            for entry in document["episodes"]
        ),
    )


class Schedule:
    """Rows of a mix, one after the other, without end."""

    def __init__(self, mix: Mix, rng: np.random.Generator) -> None:
        self._mix = mix
        self._rng = rng
        self._number = 0
        self._left = int(rng.integers(*mix.quiet_rows, endpoint=True))
        self._now = mix.benign

    def next(self, rows: int) -> Plan:
        """What the next `rows` rows are."""
        names = list(self._mix.contracts)
        shares = np.array(list(self._mix.contracts.values()))
        kinds = self._rng.choice(len(names), rows, p=shares / shares.sum())
        attacking = self._rng.random(rows) < self._mix.attack_share
        plan = Plan([], [], [names[kind] for kind in kinds])
        for attacks in attacking:
            if self._left == 0:
                self._turn()
            self._left -= 1
            plan.episodes.append(self._now if attacks else self._mix.benign)
            plan.numbers.append(self._number)
        return plan

    def _turn(self) -> None:
        """From quiet to an episode, from an episode to quiet."""
        if self._now is self._mix.benign:
            weights = np.array([episode.weight for episode in self._mix.episodes])
            self._now = self._mix.episodes[self._rng.choice(len(weights), p=weights / weights.sum())]
            self._number += 1
            length = self._mix.episode_rows
        else:
            self._now = self._mix.benign
            length = self._mix.quiet_rows
        self._left = int(self._rng.integers(*length, endpoint=True))
