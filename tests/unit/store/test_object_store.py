"""Delta tables and artefacts in an S3 store, through a small real server."""

import hashlib
import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from netheal.bundles.served import ServedBundle
from netheal.errors import BundleError, ModelFailure, ServiceUnavailable, SettingsError
from netheal.registry.artefacts import Artefacts
from netheal.rescoring.plan import Request
from netheal.rescoring.run import Run
from netheal.settings import Settings, load_settings
from netheal.sinks.delta_part import DeltaPartWriter, remove_uncommitted
from netheal.store.archive import Archive
from netheal.store.delta import DeltaLog, Layout, Part
from netheal.store.delta_files import bytes_on_disk, require_reachable
from tests.object_store import new_bucket, s3_server
from tests.unit.rescoring.runs import attack_rows, csv_of, in_process

SCHEMA = pa.schema([("event_id", pa.int64()), ("recorded_at", pa.timestamp("us", "UTC"))])
LAYOUT = Layout("verdicts", SCHEMA)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONTENT = b"a bundle"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    return new_bucket(endpoint, monkeypatch)


def part(root: str, number: int) -> list[Part]:
    writer = DeltaPartWriter(LAYOUT, root, number, "query")
    writer.write(pa.table({"event_id": [number], "recorded_at": [NOON]}, schema=SCHEMA))
    return writer.receipt()


def test_a_table_is_committed_once_a_batch_and_cleaned_up(bucket: str) -> None:
    root = load_settings(store_root=f"s3a://{bucket}/delta").paths.delta_root
    first, second = DeltaLog(LAYOUT, root), DeltaLog(LAYOUT, root)
    assert first.commit(part(root, 1), "app", 1)
    assert second.commit(part(root, 2), "app", 2)
    assert not first.commit(part(root, 2), "app", 2)
    assert remove_uncommitted(first, "query", 2) == 1
    assert remove_uncommitted(first, "query", 2) == 0
    row = Archive(LAYOUT, root).find(2)
    assert row is not None and row["recorded_at"] == NOON
    assert bytes_on_disk(first.uri) > 0


def test_a_part_that_is_discarded_leaves_nothing(bucket: str) -> None:
    root = f"s3://{bucket}/delta"
    before = bytes_on_disk(DeltaLog(LAYOUT, root).uri)
    writer = DeltaPartWriter(LAYOUT, root, 1, "query")
    writer.write(pa.table({"event_id": [1], "recorded_at": [NOON]}, schema=SCHEMA))
    writer.discard()
    assert bytes_on_disk(LAYOUT.uri(root)) == before


def test_bundles(bucket: str, attack_bundle: ServedBundle) -> None:
    artefacts = Artefacts(load_settings(artefacts_root=f"s3a://{bucket}/models").paths.artefacts_dir)
    key = attack_bundle.hash
    with artefacts.staged(attack_bundle):
        assert not artefacts.holds(key)
    assert artefacts.put(attack_bundle) == artefacts.put(attack_bundle) == key
    assert artefacts.holds(key)
    assert artefacts.load(key) == attack_bundle
    assert artefacts.size_bytes(key) > len(attack_bundle.onnx)
    artefacts.remove(key)
    artefacts.remove(key)
    assert artefacts.size_bytes(key) == 0
    with pytest.raises(ModelFailure, match="there is no served bundle"):
        artefacts.load(key)


def test_originals(bucket: str) -> None:
    originals = Artefacts(f"s3://{bucket}/models").originals
    with originals.staged(io.BytesIO(CONTENT), SHA256) as keep:
        assert originals.size_bytes(SHA256) == 0
        keep()
    with originals.open(SHA256) as kept:
        assert kept.read() == CONTENT
    assert originals.size_bytes(SHA256) == len(CONTENT)
    boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).put_object(
        Bucket=bucket, Key=f"models/originals/{SHA256}", Body=b"other"
    )
    with pytest.raises(BundleError, match="was altered"):
        originals.open(SHA256)
    originals.remove(SHA256)
    originals.remove(SHA256)
    for sha256 in (SHA256, "../x"):
        with pytest.raises(BundleError, match="was not kept"):
            originals.open(sha256)
    with pytest.raises(BundleError, match="not the one that was examined"):
        originals.staged(io.BytesIO(CONTENT + b"!"), SHA256).__enter__()


def test_a_run_writes_its_tables_there_and_its_report_here(bucket: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "flows.csv").write_text(csv_of(attack_rows(50)))
    there = settings.replaced(rescored_root=f"s3a://{bucket}/rescored")
    run = Run(there, there.paths.rescored_dir, "r1")
    _, progress = run.complete(Request([str(tmp_path / "flows.csv")]), in_process, lambda *_: None)
    rows = DeltaTable(f"s3://{bucket}/rescored/rescored_verdicts").to_pyarrow_table()
    assert rows.num_rows == progress.verdicts > 0
    assert (settings.paths.var_dir / "rescored" / "runs" / "r1" / "report.html").is_file()


def test_no_model_is_at_fault_where_the_store_is_away(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(ServiceUnavailable, match="cannot be reached"):
        Artefacts(f"s3://{bucket}/models").load("a" * 64)
    with pytest.raises(ServiceUnavailable, match="NETHEAL_STORE_ROOT is s3://.*, which does not answer"):
        require_reachable({"NETHEAL_STORE_ROOT": f"s3://{bucket}/delta"})


def test_hdfs_without_its_library_is_one_sentence(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="hdfs://127.0.0.1:1/rescored cannot be opened"):
        Run(settings, "hdfs://127.0.0.1:1/rescored", "r").complete(Request(["none"]), in_process, lambda *_: None)
    with pytest.raises(SettingsError, match="docs/cluster.md says what it needs") as told:
        require_reachable({"NETHEAL_STORE_ROOT": "hdfs://127.0.0.1:1/netheal"})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("location", ["gs://bucket/delta", "file:delta", "s3://", "ftp://host/x"])
def test_another_kind_of_storage_is_refused(location: str) -> None:
    for setting in ("store_root", "artefacts_root", "checkpoint_dir", "rescored_root"):
        with pytest.raises(SettingsError, match=f"NETHEAL_{setting.upper()}"):
            load_settings(None, **{setting: location})


def test_each_client_has_its_own_name_for_a_location(tmp_path: Path) -> None:
    paths = load_settings(store_root="s3a://b/d", checkpoint_dir="s3://b/c", artefacts_root=f"file:{tmp_path}").paths
    assert (paths.delta_root, paths.checkpoint, paths.artefacts_dir) == ("s3://b/d", "s3a://b/c", str(tmp_path))
    assert load_settings(store_root=f"file://{tmp_path}").paths.delta_root == str(tmp_path)
