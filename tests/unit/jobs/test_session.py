"""What Spark is told in a file agrees with what the code says."""

import re
from pathlib import Path

import pytest

from jobs.stages.session import read_properties
from netheal.onnx_telemetry import TELEMETRY_OFF
from netheal.settings.load import secret_variables


def test_executors_turn_off_the_telemetry_of_onnxruntime(root: Path) -> None:
    properties = read_properties(root / "conf" / "spark-defaults.conf")
    assert {f"spark.executorEnv.{name}": value for name, value in TELEMETRY_OFF.items()}.items() <= properties.items()


def test_no_task_runs_in_two_places_at_once(root: Path) -> None:
    assert read_properties(root / "conf" / "spark-defaults.conf")["spark.speculation"] == "false"


@pytest.mark.parametrize("name", [*secret_variables(), "kafka.sasl.jaas.config", "AWS_SECRET_ACCESS_KEY"])
def test_spark_does_not_show_what_is_secret(root: Path, name: str) -> None:
    pattern = read_properties(root / "conf" / "spark-defaults.conf")["spark.redaction.regex"]
    assert re.search(pattern, name)
