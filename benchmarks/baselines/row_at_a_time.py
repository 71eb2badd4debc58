"""The plain Python service: a message, json.loads, scikit-learn on one row, four INSERTs, a commit.

Run by `benchmarks/stream.py` beside the stream; the DSN comes in the environment as BENCHMARK_POSTGRES_DSN.
The last line of its output is a JSON object with `rows` and `seconds`.
"""

import argparse
import json
import math
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg2
import psycopg2.extensions
from kafka import KafkaConsumer

from benchmarks.baselines.sklearn_model import load_sklearn_model
from netheal.settings import PROJECT_ROOT

MODEL = PROJECT_ROOT / "research" / "models" / "attack_classifier_tree"
MODEL_VERSION = "decision_tree_baseline"
WARMUP_ROWS = 200
_WAIT_MS = 30_000

TABLES = """
create schema baseline;
create table baseline.traffic_data (
    id bigint generated always as identity primary key, features jsonb not null, source text not null,
    created_at timestamptz not null default now()
);
create table baseline.threat_predictions (
    id bigint generated always as identity primary key, traffic_data_id bigint not null,
    prediction_score double precision not null, is_attack boolean not null, threshold double precision not null
);
create table baseline.attack_predictions (
    id bigint generated always as identity primary key, traffic_data_id bigint not null,
    attack_type_encoded smallint not null, attack_type_name text not null, confidence double precision not null,
    model_version text not null
);
create table baseline.self_healing_actions (
    id bigint generated always as identity primary key, traffic_data_id bigint not null,
    action_type text not null, action_params jsonb not null, status text not null
);
"""


@dataclass(frozen=True)
class Prediction:
    """What the tree says of a row."""

    class_id: int
    name: str
    confidence: float
    benign: float


class Classifier:
    """The decision tree beside the starter models as scikit-learn has it."""

    def __init__(self) -> None:
        self._model = load_sklearn_model(MODEL)
        self._labels = list(self._model.estimator.classes_)
        self._benign = next(at for at, label in enumerate(self._labels) if self._model.names[label] == "BENIGN")

    def takes(self, message: dict[str, Any]) -> bool:
        """Whether the message has every feature; some real rows do not."""
        return all(name in message for name in self._model.columns)

    def predict(self, message: dict[str, Any]) -> Prediction:
        """Scale and score one row."""
        row = np.array([[float(message[name]) for name in self._model.columns]])
        probabilities = self._model.probabilities(row)[0]
        at = int(probabilities.argmax())
        label = int(self._labels[at])
        return Prediction(label, self._model.names[label], float(probabilities[at]), float(probabilities[self._benign]))


def store(connection: psycopg2.extensions.connection, message: dict[str, Any], prediction: Prediction) -> None:
    """Four rows and a commit."""
    score = 1.0 - prediction.benign
    action = "log_only" if prediction.name == "BENIGN" else "alert_admin"
    finite = {k: 0.0 if isinstance(v, float) and not math.isfinite(v) else v for k, v in message.items()}
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into baseline.traffic_data (features, source) values (%s, 'kafka') returning id",
            (json.dumps(finite),),
        )
        (row_id,) = cursor.fetchone() or (None,)
        cursor.execute(
            "insert into baseline.threat_predictions (traffic_data_id, prediction_score, is_attack, threshold)"
            " values (%s, %s, %s, 0.5)",
            (row_id, score, score >= 0.5),
        )
        cursor.execute(
            "insert into baseline.attack_predictions"
            " (traffic_data_id, attack_type_encoded, attack_type_name, confidence, model_version)"
            " values (%s, %s, %s, %s, %s)",
            (row_id, prediction.class_id, prediction.name, prediction.confidence, MODEL_VERSION),
        )
        cursor.execute(
            "insert into baseline.self_healing_actions (traffic_data_id, action_type, action_params, status)"
            " values (%s, %s, %s, 'logged')",
            (row_id, action, json.dumps({"src_ip": message.get("src_ip")})),
        )
    connection.commit()


def serve(bootstrap_servers: str, topic: str, dsn: str, rows: int) -> float:
    """Seconds for `rows` messages, after some that are not counted."""
    classifier = Classifier()
    connection = psycopg2.connect(dsn)
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
    connection.commit()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap_servers,
        group_id="baseline-row-at-a-time",
        auto_offset_reset="earliest",
        consumer_timeout_ms=_WAIT_MS,
    )
    begun = done = 0.0
    for count, record in enumerate(consumer, 1):
        message = json.loads(record.value)
        if classifier.takes(message):
            store(connection, message, classifier.predict(message))
        done = time.perf_counter()
        if count == WARMUP_ROWS:
            begun = done
        if count == WARMUP_ROWS + rows:
            break
    else:
        raise SystemExit(f"the topic gave no more messages for {_WAIT_MS} ms")
    consumer.close()
    connection.close()
    return done - begun


def main() -> None:
    """The entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--rows", type=int, default=3000)
    order = parser.parse_args()
    dsn = os.environ["BENCHMARK_POSTGRES_DSN"]
    seconds = serve(order.bootstrap_servers, order.topic, dsn, order.rows)
    print(json.dumps({"rows": order.rows, "seconds": seconds}))


if __name__ == "__main__":
    main()
