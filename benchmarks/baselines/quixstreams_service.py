"""The same rows through quixstreams: a message, its ONNX score, a message to an output topic. Nothing else is stored.

Runs in an environment of its own (`quixstreams.lock`), so it imports nothing of netheal. The last line of
its output is a JSON object with `rows` and `seconds`.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # see netheal.onnx_runtime, which is not in this environment

import numpy as np
import onnxruntime as ort  # noqa: TID251
from quixstreams import Application
from quixstreams.models import JSONDeserializer

WARMUP_ROWS = 2000
_WAIT_S = 30.0


class Classifier:
    """The starter attack classifier as ONNX, from its folder."""

    def __init__(self, folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        self._columns = [feature["name"] for feature in manifest["contract"]["features"]]
        self._classes: list[str] = manifest["classes"]
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])

    def takes(self, message: dict[str, Any]) -> bool:
        """Whether the message has every feature; some real rows do not."""
        return all(name in message for name in self._columns)

    def predict(self, message: dict[str, Any]) -> dict[str, Any]:
        """Score one row; infinite values are 0.0."""
        values = [float(message[name]) for name in self._columns]
        row = np.array([[0.0 if math.isinf(value) else value for value in values]])
        label, confidence = self._session.run(["label", "confidence"], {"features": row})
        return {
            "event_id": message["event_id"],
            "attack_type_name": self._classes[int(label.reshape(-1)[0])],
            "confidence": float(confidence.reshape(-1)[0]),
        }


class Clock:
    """Counts processed messages and notes when the warm-up ended and when the last one was done."""

    def __init__(self) -> None:
        self.counted = -WARMUP_ROWS
        self.begun = 0.0
        self.done = 0.0

    def tick(self, _topic: str, _partition: int, _offset: int) -> None:
        """One message was processed."""
        self.counted += 1
        self.done = time.perf_counter()
        if self.counted == 0:
            self.begun = self.done


def serve(bootstrap_servers: str, topic: str, model: Path, state: Path, rows: int) -> Clock:
    """Process `rows` messages, after some that are not counted."""
    clock = Clock()
    app = Application(
        broker_address=bootstrap_servers,
        consumer_group="baseline-quixstreams",
        auto_offset_reset="earliest",
        state_dir=state,
        on_message_processed=clock.tick,
        loglevel="ERROR",
    )
    # json.loads, for orjson refuses the token Infinity, which real rows carry.
    source = app.topic(topic, value_deserializer=JSONDeserializer(loads=json.loads))
    output = app.topic(f"{topic}-quixstreams", value_serializer="json")
    classifier = Classifier(model)
    app.dataframe(source).filter(classifier.takes).apply(classifier.predict).to_topic(output)
    app.run(count=WARMUP_ROWS + rows, timeout=_WAIT_S, collect=False)
    return clock


def main() -> None:
    """The entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder of manifest.json and model.onnx")
    parser.add_argument("--state", type=Path, required=True, help="folder for its state")
    parser.add_argument("--rows", type=int, default=30_000)
    order = parser.parse_args()
    clock = serve(order.bootstrap_servers, order.topic, order.model, order.state, order.rows)
    if clock.counted < order.rows:
        raise SystemExit(f"the topic gave {clock.counted} messages of {order.rows}")
    print(json.dumps({"rows": clock.counted, "seconds": clock.done - clock.begun}))


if __name__ == "__main__":
    main()
