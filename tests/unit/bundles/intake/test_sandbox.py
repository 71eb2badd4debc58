"""The child process: what it may not do, and what is said when it is stopped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import netheal
from netheal.bundles.intake.examine import Order
from netheal.bundles.intake.sandbox import examine_file

ROOT = str(Path(netheal.__file__).resolve().parent.parent)


def _confined(code: str) -> subprocess.CompletedProcess[str]:
    """Run code after the child's own confinement."""
    start = f"import sys; sys.path.insert(0, {ROOT!r}); from netheal.bundles.intake import confine\n"
    return subprocess.run(
        [sys.executable, "-I", "-c", f"{start}apart = confine.leave_network()\nconfine.set_limits()\n{code}"],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_starter_bundles_pass_through_it(models: Path) -> None:
    folder = models / "attack_classifier"
    profile = (folder / "attack_classifier_profile.json").read_bytes()
    found = examine_file(
        folder / "attack_classifier.joblib",
        Order(".joblib", "attack_classifier", profile, "decision_tree_v2_20241201"),
    )
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None
    assert found.bundle.onnx == (folder / "model.onnx").read_bytes()
    assert found.bundle.manifest.version == "decision_tree_v2_20241201"


def test_memory_is_limited() -> None:
    done = _confined("try:\n    x = bytearray(3 << 30)\nexcept MemoryError:\n    print('no')")
    assert done.stdout.strip() == "no"


def test_computing_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    done = _confined("import resource; print(resource.getrlimit(resource.RLIMIT_CPU)[0])")
    assert 0 < int(done.stdout) <= 12


def test_there_is_no_network() -> None:
    code = (
        "import socket\ns = socket.socket()\ns.settimeout(2)\n"
        "try:\n    s.connect(('192.0.2.1', 80))\nexcept OSError as error:\n    print(apart, error.errno)"
    )
    apart, number = _confined(code).stdout.split()
    if apart != "True":
        pytest.skip("this system lets no process leave the network")
    assert int(number) == 101  # ENETUNREACH


def test_its_environment_is_empty() -> None:
    assert json.loads(_confined("import json, os; print(json.dumps(dict(os.environ)))").stdout).keys() <= {"LC_CTYPE"}


def test_a_file_that_takes_too_long_is_stopped(models: Path) -> None:
    path = models / "attack_classifier" / "attack_classifier.joblib"
    found = examine_file(path, Order(".joblib", "attack_classifier"), wall_s=0.05)
    assert not found.report.accepted
    assert "longer than" in found.report.reason
