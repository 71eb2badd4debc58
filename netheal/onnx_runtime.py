"""onnxruntime with its telemetry off: the one module that imports it.

Unless the variable stands in the environment before the library is loaded, its wheel looks up its vendor's
collector and keeps a device id and a store of events under the home folder. A lint rule bans every other import.
"""

import os

from netheal.onnx_telemetry import TELEMETRY_OFF

os.environ.update(TELEMETRY_OFF)

import onnxruntime  # noqa: TID251

# For a process that had loaded the library before it came here.
onnxruntime.disable_telemetry_events()

__all__ = ["onnxruntime"]
