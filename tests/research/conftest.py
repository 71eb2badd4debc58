import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets, which is not part of the repository."""
    named = os.environ.get("NETHEAL_SHARED_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("public data sets are not here: set NETHEAL_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def models() -> Path:
    """The committed starter models."""
    return ROOT / "research" / "models"


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT
