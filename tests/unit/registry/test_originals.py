"""Files that were handed in: kept whole or not at all, durable before they have their name, found by their hash."""

import hashlib
import io
from pathlib import Path

import pytest

from netheal.errors import BundleError
from netheal.registry import originals
from netheal.registry.originals import LocalOriginals, sha256_of

CONTENT = b"a bundle"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artefacts" / "originals"


def keep(root: Path, content: bytes = CONTENT) -> None:
    with LocalOriginals(root).staged(io.BytesIO(content), hashlib.sha256(content).hexdigest()) as store:
        store()


def test_a_file_is_kept_once_by_its_hash(root: Path) -> None:
    keep(root)
    keep(root)
    assert [file.name for file in root.iterdir()] == [SHA256]
    assert LocalOriginals(root).open(SHA256).read() == CONTENT
    assert LocalOriginals(root).size_bytes(SHA256) == len(CONTENT)
    LocalOriginals(root).remove(SHA256)
    LocalOriginals(root).remove(SHA256)
    assert LocalOriginals(root).size_bytes(SHA256) == 0
    assert list(root.iterdir()) == []


def test_its_bytes_are_on_disk_before_its_name_and_then_the_folders(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []

    def note(path: Path) -> None:
        synced.append((path.name if path.is_dir() else "file", (root / SHA256).exists()))

    monkeypatch.setattr(originals, "sync_files", lambda files: list(map(note, files)))
    monkeypatch.setattr(originals, "sync_path", note)
    keep(root)
    assert synced == [("file", False), ("originals", True), ("artefacts", True)]


def test_nothing_is_left_of_what_is_not_wanted_or_is_another_file(root: Path) -> None:
    with LocalOriginals(root).staged(io.BytesIO(CONTENT), SHA256):
        assert len(list(root.iterdir())) == 1
    with pytest.raises(BundleError, match="not the one that was examined"):
        LocalOriginals(root).staged(io.BytesIO(CONTENT + b"!"), SHA256).__enter__()
    assert list(root.iterdir()) == []


def test_without_a_file_there_is_nothing_to_keep(root: Path) -> None:
    with LocalOriginals(root).staged(None, SHA256) as store:
        store()
    assert not root.exists()


@pytest.mark.parametrize("sha256", [SHA256, "", "../secret", "0" * 64])
def test_what_is_not_there_is_not_given_out(root: Path, sha256: str) -> None:
    root.mkdir(parents=True)
    (root.parent / "secret").write_bytes(b"")
    with pytest.raises(BundleError, match="was not kept"):
        LocalOriginals(root).open(sha256)


def test_a_file_that_was_altered_is_not_given_out(root: Path) -> None:
    keep(root)
    (root / SHA256).write_bytes(b"another")
    with pytest.raises(BundleError, match="was altered"):
        LocalOriginals(root).open(SHA256)


def test_the_hash_is_of_the_whole_file_wherever_it_was_read_to() -> None:
    file = io.BytesIO(CONTENT * 400_000)
    file.seek(7)
    assert sha256_of(file) == hashlib.sha256(CONTENT * 400_000).hexdigest()
