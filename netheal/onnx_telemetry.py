"""How onnxruntime's telemetry is turned off; imported without loading the library itself."""

TELEMETRY_OFF = {"ORT_DISABLE_TELEMETRY": "1"}
"""Variables that must stand in the environment before onnxruntime is loaded; as in `conf/spark-defaults.conf`."""
