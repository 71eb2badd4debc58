"""Only what was checked together is served."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netheal.bundles.served import MANIFEST_FILE, ONNX_FILE, ServedBundle, read_served
from netheal.errors import BundleError

Document = dict[str, Any]


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """A copy of the starter threat detector."""
    for name in (MANIFEST_FILE, ONNX_FILE):
        shutil.copy(models / "threat_detector" / name, tmp_path / name)
    return tmp_path


def test_a_bundle_reads_back_as_it_was_written(threat_bundle: ServedBundle, tmp_path: Path) -> None:
    threat_bundle.write(tmp_path / "new")
    again = read_served(tmp_path / "new")
    assert again == threat_bundle and again.hash == threat_bundle.hash


def test_a_graph_with_one_bit_changed_is_refused(folder: Path) -> None:
    graph = bytearray((folder / ONNX_FILE).read_bytes())
    graph[len(graph) // 2] ^= 1
    (folder / ONNX_FILE).write_bytes(graph)
    with pytest.raises(BundleError, match="the ONNX file is not the one that the manifest names"):
        read_served(folder)


def test_the_graph_of_another_bundle_is_refused(threat_bundle: ServedBundle, attack_bundle: ServedBundle) -> None:
    with pytest.raises(BundleError, match="the ONNX file is not the one"):
        ServedBundle(threat_bundle.manifest, attack_bundle.onnx)


def change(document: Document) -> None:
    document["contract"]["features"][0]["minimum"] = -1


MISTAKES: list[tuple[Callable[[Document], Any], str]] = [
    (change, "the manifest's contract does not have the hash it claims"),
    (lambda d: d["contract"]["features"].reverse(), "the manifest's contract does not have the hash it claims"),
    (lambda d: d.update(format=2), "manifest format 2 is not 1"),
    (lambda d: d.update(format="1"), "manifest format 1 is not 1"),
    (lambda d: d.pop("contract_hash"), "not a manifest of a served bundle"),
    (lambda d: d.update(command="rm"), "not a manifest of a served bundle"),
]


@pytest.mark.parametrize(("spoil", "words"), MISTAKES)
def test_an_altered_manifest_is_refused(folder: Path, spoil: Callable[[Document], Any], words: str) -> None:
    document = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))
    spoil(document)
    (folder / MANIFEST_FILE).write_text(json.dumps(document), "utf-8")
    with pytest.raises(BundleError, match=words):
        read_served(folder)


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"{}"])
def test_a_file_that_is_no_manifest_is_refused(folder: Path, text: bytes) -> None:
    (folder / MANIFEST_FILE).write_bytes(text)
    with pytest.raises(BundleError, match="not a manifest"):
        read_served(folder)


@pytest.mark.parametrize("name", [MANIFEST_FILE, ONNX_FILE])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"cannot read the served bundle .*{name}"):
        read_served(folder)


def test_the_hash_covers_everything_in_the_bundle(threat_bundle: ServedBundle) -> None:
    manifest = threat_bundle.manifest
    other = threat_bundle.onnx + b"\0"
    bundles = [
        threat_bundle,
        ServedBundle(replace(manifest, threshold=0.25), threat_bundle.onnx),
        ServedBundle(replace(manifest, encoders={}), threat_bundle.onnx),
        ServedBundle(replace(manifest, onnx_sha256=hashlib.sha256(other).hexdigest()), other),
    ]
    assert len({bundle.hash for bundle in bundles}) == len(bundles)
