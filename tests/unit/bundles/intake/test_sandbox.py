"""The child process: what it may not do, and what is said when it is stopped."""

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import netheal
from netheal.bundles.intake.confinement import Confinement
from netheal.bundles.intake.examine import ExaminationRequest
from netheal.bundles.intake.sandbox import examine_file
from tests.unit.bundles.intake.honest_bundles import honest, packed

ROOT = str(Path(netheal.__file__).resolve().parent.parent)


def _confined(code: str, *, filtered: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run code after the child's own confinement, or one on a system that filters no system calls."""
    start = [
        f"import sys; sys.path.insert(0, {ROOT!r})",
        "import ctypes, errno, json, os, resource, signal, socket, subprocess, threading",
        "from netheal.bundles.intake import confinement",
        "apart = confinement.leave_network()",
        "" if filtered else "confinement.filter_system_calls = lambda: False",
        "held = confinement.confine(apart)",
        TRIED,
    ]
    return subprocess.run(
        [sys.executable, "-I", "-c", "\n".join([*start, code])],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


TRIED = """
def tried(what):
    try:
        return f"did {what()}"
    except OSError as error:
        return errno.errorcode[error.errno]
"""
ARCHITECTURE = pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="no filter is written for it")
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root has anything to give up")


def test_starter_bundles_pass_through_it(models: Path) -> None:
    folder = models / "attack_classifier"
    profile = (folder / "attack_classifier_profile.json").read_bytes()
    found = examine_file(
        folder / "attack_classifier.joblib",
        ExaminationRequest(".joblib", "attack_classifier", profile, "decision_tree_v2_20241201"),
    )
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None
    assert found.bundle.onnx == (folder / "model.onnx").read_bytes()
    assert found.bundle.manifest.version == "decision_tree_v2_20241201"


def test_memory_is_limited() -> None:
    done = _confined("try:\n    x = bytearray(3 << 30)\nexcept MemoryError:\n    print('no')")
    assert done.stdout.strip() == "no"


def test_computing_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    done = _confined("print(resource.getrlimit(resource.RLIMIT_CPU)[0])", filtered=False)
    assert 0 < int(done.stdout) <= 12


REFUSED = (
    "os.fork()",
    "os.execv('/bin/true', ['true'])",
    "subprocess.run(['/bin/true'])",
    "os.posix_spawn('/bin/true', ['true'], {})",
    "socket.socket()",
    "socket.socketpair()",
    "open('/etc/passwd').read()",
    "open('/tmp/netheal-never', 'w')",
    "os.listdir('/')",
    "os.unlink('/tmp/netheal-never')",
    "os.mkdir('/tmp/netheal-never')",
    "os.kill(os.getppid(), 0)",
    "os.setuid(0)",
    "os.unshare(os.CLONE_NEWNET)",
    "os.memfd_create('program')",
    "os.nice(1)",
    "os.chdir('/')",
)
NUMBERS = {
    "x86_64": {"ptrace": 101, "io_uring_setup": 425, "process_vm_readv": 310, "mount": 165, "bpf": 321},
    "aarch64": {"ptrace": 117, "io_uring_setup": 425, "process_vm_readv": 270, "mount": 40, "bpf": 280},
}
"""Of calls that Python has no name for."""


@ARCHITECTURE
def test_it_may_only_compute() -> None:
    named = [f"print({act!r}, '->', tried(lambda: {act}))" for act in REFUSED]
    unnamed = [
        f"print({name!r}, '->', libc.syscall({number}, 0, 0, 0, 0, 0), errno.errorcode[ctypes.get_errno()])"
        for name, number in NUMBERS[platform.machine()].items()
    ]
    done = _confined("\n".join(["libc = ctypes.CDLL(None, use_errno=True)", *named, *unnamed]))
    expected = [f"{act} -> EPERM" for act in REFUSED]
    expected += [f"{name} -> -1 EPERM" for name in NUMBERS[platform.machine()]]
    assert done.stdout.splitlines() == expected, done.stderr


@ARCHITECTURE
def test_it_may_still_compute_and_end_itself() -> None:
    done = _confined("print(tried(lambda: len(os.urandom(8))), held.filtered, flush=True)\nos.abort()")
    assert done.stdout.split() == ["did", "8", "True"]
    assert done.returncode == -signal.SIGABRT


def test_without_a_filter_there_is_no_network_either() -> None:
    code = (
        "s = socket.socket()\ns.settimeout(2)\n"
        "print(held.no_network, tried(lambda: s.connect(('192.0.2.1', 80))), len(held.gaps))"
    )
    apart, number, gaps = _confined(code, filtered=False).stdout.split()
    if apart != "True":
        pytest.skip("this system lets no process leave the network")
    assert (number, gaps) == ("ENETUNREACH", "1")


@ROOT_ONLY
def test_without_a_filter_root_is_given_up(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of root")
    secret.chmod(0o600)
    code = (
        f"print(os.getresuid(), os.getgroups(), tried(lambda: open({str(secret)!r})), tried(os.fork),"
        " tried(lambda: os.setuid(0)), tried(lambda: os.kill(os.getppid(), 0)), sep='|')"
    )
    users, groups, read, fork, back, signalled = _confined(code, filtered=False).stdout.strip().split("|")
    assert len(set(users.strip("()").split(", "))) == 1 and "0" not in users.strip("()").split(", ")
    assert groups == "[]"
    assert (read, fork, back, signalled) == ("EACCES", "EAGAIN", "EPERM", "EPERM")


def test_what_a_system_does_not_allow_is_a_warning() -> None:
    assert Confinement(no_network=True, other_user=True, filtered=True).gaps == []
    assert Confinement(no_network=True, other_user=None, filtered=True).gaps == []
    assert len(Confinement(no_network=False, other_user=False, filtered=False).gaps) == 3


def test_every_kind_of_model_is_examined_confined(tmp_path: Path) -> None:
    """What a library loads only when it is used could not be loaded any more."""
    for kind in ("voting", "hard_voting", "histogram", "mlp"):
        for form in ("xz", "lz4") if kind == "mlp" else ("none",):
            suffix, data = packed(honest(kind, "robust").layout, form)
            path = tmp_path / f"bundle{suffix}"
            path.write_bytes(data)
            report = examine_file(path, ExaminationRequest(suffix, "attack_classifier")).report
            assert report.accepted, (kind, report.reason)
            assert report.figures["network"] == "none"


def test_its_environment_is_empty() -> None:
    assert json.loads(_confined("print(json.dumps(dict(os.environ)))").stdout).keys() <= {"LC_CTYPE"}


def test_a_file_that_takes_too_long_is_stopped(models: Path) -> None:
    path = models / "attack_classifier" / "attack_classifier.joblib"
    found = examine_file(path, ExaminationRequest(".joblib", "attack_classifier"), wall_s=0.05)
    assert not found.report.accepted
    assert "longer than" in found.report.reason
