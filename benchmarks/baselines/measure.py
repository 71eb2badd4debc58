"""The baselines, each as a process of its own against the broker and the Postgres of a stack whose job has ended."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.baselines.environment import quixstreams_python
from benchmarks.stack import Tell
from netheal.embedded.stack import LocalStack
from netheal.errors import ServiceUnavailable
from netheal.settings import PROJECT_ROOT

ROW_AT_A_TIME_ROWS = 3_000
QUIXSTREAMS_ROWS = 30_000
_BOUND_S = 600.0


def measure_baselines(stack: LocalStack, tell: Tell) -> dict[str, float]:
    """Name -> rows a second. Raises ServiceUnavailable where one fails."""
    settings = stack.settings
    where = ("--bootstrap-servers", settings.kafka.bootstrap_servers, "--topic", settings.stream.input_topic)
    tell(f"baseline: a service that takes a row at a time, {ROW_AT_A_TIME_ROWS} rows")
    plain = _run(
        (sys.executable, "-m", "benchmarks.baselines.row_at_a_time", *where, "--rows", str(ROW_AT_A_TIME_ROWS)),
        {"BENCHMARK_POSTGRES_DSN": settings.postgres.dsn.get_secret_value()},
    )
    python = quixstreams_python(tell)
    tell(f"baseline: quixstreams, scoring and an output topic only, {QUIXSTREAMS_ROWS} rows")
    service = Path(__file__).with_name("quixstreams_service.py")
    model = settings.paths.starter_models_dir / "attack_classifier"
    folders = ("--model", str(model), "--state", str(settings.paths.var_dir / "quixstreams"))
    quix = _run((str(python), str(service), *where, *folders, "--rows", str(QUIXSTREAMS_ROWS)), {})
    return {"row_at_a_time": plain, "quixstreams": quix}


def _run(argv: tuple[str, ...], environment: Mapping[str, str]) -> float:
    """Rows a second, from the last line of the process's output."""
    done = subprocess.run(
        argv,
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        timeout=_BOUND_S,
        check=False,
    )
    if done.returncode != 0:
        raise ServiceUnavailable(f"the baseline {argv[1]} {argv[2]} ended with status {done.returncode}")
    figures = json.loads(done.stdout.splitlines()[-1])
    return float(figures["rows"] / figures["seconds"])
