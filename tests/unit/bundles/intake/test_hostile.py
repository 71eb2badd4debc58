"""Hostile files: each refused with a reason, soon, and no code of the file executed."""

from pathlib import Path

import pytest

from netheal.bundles.intake.examine import ExaminationRequest, Examined, examine
from netheal.bundles.intake.sandbox import examine_file
from netheal.contracts import ModelType
from tests.unit.bundles.intake.hostile_files import TREES, attacks, bent_tree, fires, hidden, liars

ATTACKS = sorted(attacks(""))
LIARS = sorted(liars("true"))


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


@pytest.fixture(scope="session")
def shared_marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("liars") / "marker"


def _refused(data: bytes, suffix: str, marker: Path, model_type: ModelType = "attack_classifier") -> Examined:
    found = examine(memoryview(data), ExaminationRequest(suffix, model_type))
    assert not found.report.accepted
    assert found.bundle is None
    assert len(found.report.reason) > 20
    assert not marker.exists()
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_refused(name: str, marker: Path) -> None:
    found = _refused(attacks(f"touch {marker}")[name], ".pkl", marker)
    assert next(step.name for step in found.report.steps if step.passed is False) in ("file_format", "loading")


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_real(name: str, marker: Path, tmp_path: Path) -> None:
    fires(attacks(f"touch {marker}")[name], ".pkl", tmp_path / "file.pkl")
    assert marker.exists()


def test_hidden_attacks_are_refused_and_real(marker: Path, tmp_path: Path) -> None:
    for name, (suffix, data) in hidden(f"touch {marker}", tmp_path).items():
        _refused(data, suffix, marker)
        if name.startswith("squeezed"):
            fires(data, suffix, tmp_path / "file")
            assert marker.exists(), name
            marker.unlink()


@pytest.mark.parametrize("name", LIARS)
def test_liars_are_refused(name: str, shared_marker: Path) -> None:
    suffix, data = liars(f"touch {shared_marker}")[name]
    _refused(data, suffix, shared_marker)


@pytest.mark.parametrize("name", TREES)
def test_bent_trees_are_refused(name: str, marker: Path) -> None:
    found = _refused(bent_tree(name), ".pkl", marker)
    assert found.report.steps[1].passed, "the pickle itself is plain"


@pytest.mark.parametrize("name", ["reduce_os", "inst", "stack_global_by_memo"])
def test_the_sandbox_refuses_as_well(name: str, marker: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle.pkl"
    path.write_bytes(attacks(f"touch {marker}")[name])
    found = examine_file(path, ExaminationRequest(".pkl", "attack_classifier"))
    assert not found.report.accepted
    assert "the pickle" in found.report.reason or "the file names" in found.report.reason
    assert not marker.exists()
