"""`netheal rescore` on Spark, killed half-way: begun again, it ends as one that nobody disturbed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netheal.rescoring.plan import RunProgress, read_json
from netheal.settings import Settings
from tests.deadlines import DEADLINE_S
from tests.unit.rescoring.runs import attack_rows, csv_of, rejected, rescored, verdicts

FILES, ROWS = 24, 300
OF_A_RUN = ["run_id", "recorded_at", "date"]


def command(settings: Settings, folder: Path) -> "subprocess.Popen[str]":
    arguments = ["--run-id", "killed", "--json", "--var", str(settings.paths.var_dir), str(folder)]
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("netheal")), "rescore", *arguments],
        env={**os.environ, "NETHEAL_DRIVER_MEMORY": "1g"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    """As many units as files; one of them is no flow file."""
    if not (settings.paths.tools_dir / "spark").is_dir():
        pytest.skip("Spark's jars are not there: run `make setup`")
    found = tmp_path / "exports"
    found.mkdir()
    for number in range(FILES):
        (found / f"{number:02}.csv").write_text(csv_of(attack_rows(ROWS, seed=number)))
    (found / "none.csv").write_text("name,age\nx,1\n")
    return found


def test_a_run_that_is_killed_ends_as_an_undisturbed_one(settings: Settings, folder: Path) -> None:
    rescored(settings, "undisturbed", folder)
    progress = Path(settings.paths.rescored_dir) / "runs" / "killed" / "progress.json"
    first = command(settings, folder)
    limit = time.monotonic() + DEADLINE_S
    while first.poll() is None and not progress.exists() and time.monotonic() < limit:
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    at_kill = read_json(progress, RunProgress)
    assert first.returncode == -signal.SIGKILL
    assert at_kill is not None
    second = command(settings, folder)
    out, _ = second.communicate(timeout=DEADLINE_S)
    told = json.loads(out.splitlines()[-1])
    assert second.returncode == 3, "a file is none"
    assert at_kill.units_done < FILES
    assert (told["verdicts"] + told["rejected"], list(told["errors"])) == (FILES * ROWS, [str(folder / "none.csv")])
    assert Path(told["report"]).is_file()
    for read in (verdicts, rejected):
        killed, undisturbed = (read(settings, run_id).drop_columns(OF_A_RUN) for run_id in ("killed", "undisturbed"))
        assert killed.to_pylist() == undisturbed.to_pylist()
