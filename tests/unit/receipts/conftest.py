"""The shipped policy, and the starter models."""

from collections.abc import Callable
from pathlib import Path

import pytest

from netheal.bundles.served import read_served
from netheal.healing.policy import Policy, read_policy
from netheal.scoring.model import ServedModel


@pytest.fixture(scope="session")
def policy(root: Path) -> Policy:
    return read_policy(root / "conf" / "healing_policy.json")


@pytest.fixture(scope="session")
def starter(models: Path) -> Callable[[str], ServedModel]:
    """A starter model by its folder."""
    return lambda name: ServedModel(read_served(models / name))
