"""What goes to a real broker arrives there, once and in order, at the pace asked for."""

import gzip
import json
import subprocess
import time
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from netheal.contracts import contract
from netheal.embedded.kafka import EmbeddedKafka
from netheal.errors import ServiceUnavailable, StreamRefused
from netheal.kafka.topics import ensure_topics, topic_id
from netheal.traffic.send import send_files, send_messages
from tests.deadlines import DEADLINE_S
from tests.own_features import PROFILE
from tests.stack.harness import NETHEAL


def received(kafka: EmbeddedKafka, topic: str, count: int, deadline_s: float = DEADLINE_S) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": "test"})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    values: list[bytes] = []
    deadline = time.monotonic() + deadline_s
    while len(values) < count and time.monotonic() < deadline:
        values += [message.value() or b"" for message in consumer.consume(count, timeout=0.5)]
    consumer.close()
    return values


def test_messages_arrive_once_and_in_order(kafka: EmbeddedKafka) -> None:
    ensure_topics(kafka.bootstrap_servers, {"order": 1})
    messages = [b'{"n":%d}' % n for n in range(30_000)]
    report = send_messages([messages[:10], messages[10:]], kafka.bootstrap_servers, "order")
    assert (report.sent, report.bytes) == (30_000, sum(map(len, messages)))
    assert received(kafka, "order", 30_000) == messages


def test_rows_of_a_file_arrive(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    names = contract("threat/v1").names
    row = ",".join(["http", "SF", *["1"] * (len(names) - 2)])
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(f"{','.join(names)}\n{row}\n{row}\n".encode()))
    ensure_topics(kafka.bootstrap_servers, {"file": 1})
    assert send_files([path], kafka.bootstrap_servers, "file").sent == 2
    assert received(kafka, "file", 2)[1].startswith(b'{"service":"http","flag":"SF","src_bytes":1,')


def test_rows_of_a_file_that_only_an_own_model_takes_arrive_by_its_profile(
    kafka: EmbeddedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_topics(kafka.bootstrap_servers, {"own": 1})
    monkeypatch.setenv("NETHEAL_KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("NETHEAL_INPUT_TOPIC", "own")
    (tmp_path / "rows.csv").write_text("Duration,Payload Entropy\n3,0.5\n", "utf-8")
    profile = PROFILE | {"expected_features": ["duration", "Payload Entropy"]}
    (tmp_path / "profile.json").write_text(json.dumps(profile), "utf-8")
    command = ["traffic", "send", "rows.csv", "--profile", "profile.json", "--var", str(tmp_path / "var")]
    sent = subprocess.run([*NETHEAL, *command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert sent.returncode == 0, sent.stderr
    assert received(kafka, "own", 1) == [b'{"duration":3,"Payload Entropy":0.5}']


def test_the_pace_is_kept(kafka: EmbeddedKafka) -> None:
    ensure_topics(kafka.bootstrap_servers, {"pace": 1})
    seen: list[int] = []
    report = send_messages([[b"{}"] * 2_000], kafka.bootstrap_servers, "pace", rate_per_s=2_000, progress=seen.append)
    assert report.elapsed_s >= 0.95
    assert seen[-1] == 2_000
    assert len(seen) > 20


def test_a_topic_is_made_once_and_has_another_id_when_made_again(kafka: EmbeddedKafka) -> None:
    servers = kafka.bootstrap_servers
    assert ensure_topics(servers, {"twice": 2}) == ["twice"]
    assert ensure_topics(servers, {"twice": 2}) == []
    first = topic_id(servers, "twice")
    assert first == topic_id(servers, "twice")
    admin = AdminClient({"bootstrap.servers": servers})
    admin.delete_topics(["twice"])["twice"].result()
    deadline = time.monotonic() + DEADLINE_S
    while not ensure_topics(servers, {"twice": 2}) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert topic_id(servers, "twice") != first


def test_a_topic_that_is_not_there_is_refused_by_name(kafka: EmbeddedKafka) -> None:
    with pytest.raises(StreamRefused, match="no topic 'nowhere'"):
        topic_id(kafka.bootstrap_servers, "nowhere")


def test_an_unknown_topic_is_no_silent_loss(kafka: EmbeddedKafka) -> None:
    options = {"delivery.timeout.ms": "2000", "topic.metadata.propagation.max.ms": "500"}
    with pytest.raises(ServiceUnavailable, match="nowhere"):
        send_messages([[b"{}"] * 10], kafka.bootstrap_servers, "nowhere", options=options)


def test_a_message_that_is_too_large_is_an_error(kafka: EmbeddedKafka) -> None:
    ensure_topics(kafka.bootstrap_servers, {"large": 1})
    with pytest.raises(ServiceUnavailable, match="large"):
        send_messages([[b"x" * 3_000_000]], kafka.bootstrap_servers, "large")
