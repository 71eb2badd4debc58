"""What Spark is told in a file agrees with what the code says."""

from pathlib import Path

from jobs.stages.session import read_properties
from netheal.onnx_telemetry import TELEMETRY_OFF


def test_executors_turn_off_the_telemetry_of_onnxruntime(root: Path) -> None:
    properties = read_properties(root / "conf" / "spark-defaults.conf")
    assert {f"spark.executorEnv.{name}": value for name, value in TELEMETRY_OFF.items()}.items() <= properties.items()
