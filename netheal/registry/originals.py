"""Model files as they were handed in, by the SHA-256 of their content: kept for people, never read by netheal."""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from netheal.errors import BundleError
from netheal.host.fsync import sync_files, sync_path

_BLOCK_BYTES = 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Originals:
    """A folder with one file an original, named by its hash."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def staged(self, source: IO[bytes] | None, sha256: str) -> Iterator[Callable[[], None]]:
        """Copy a file, which takes its time, before it is known whether it is wanted.

        What is given keeps the copy, once, so that it outlives a power cut; if it is not called, nothing is left, and
        there is nothing to keep where `source` is None. Raises BundleError where the file has not that hash.
        """
        if source is None:
            yield lambda: None
            return
        fresh = self._root / f".{uuid.uuid4().hex}"
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            if _copied(source, fresh) != sha256:
                raise BundleError("the file is not the one that was examined: upload it again")
            sync_files([fresh])
            yield lambda: self._keep(fresh, sha256)
        finally:
            fresh.unlink(missing_ok=True)

    def _keep(self, fresh: Path, sha256: str) -> None:
        fresh.replace(self._root / sha256)
        sync_path(self._root)
        sync_path(self._root.parent)

    def path(self, sha256: str) -> Path:
        """Where the file of that hash is; raises BundleError where it is missing or altered."""
        path = self._root / sha256
        if not _SHA256.fullmatch(sha256) or not path.is_file():
            raise BundleError("its file was not kept: upload it again, and it is")
        with path.open("rb") as file:
            if sha256_of(file) != sha256:
                raise BundleError(f"the kept file {sha256} was altered: restore it from its source")
        return path

    def remove(self, sha256: str) -> None:
        """Remove a file for good; one that is not there is no error."""
        (self._root / sha256).unlink(missing_ok=True)

    def size_bytes(self, sha256: str) -> int:
        """What a file takes on disk; 0 where it is not there."""
        path = self._root / sha256
        return path.stat().st_size if path.is_file() else 0


def sha256_of(source: IO[bytes]) -> str:
    """The hash of a file from its beginning, as hexadecimal digits."""
    digest = hashlib.sha256()
    for block in _blocks(source):
        digest.update(block)
    return digest.hexdigest()


def _copied(source: IO[bytes], target: Path) -> str:
    """Copy a file from its beginning; the hash of what was copied."""
    digest = hashlib.sha256()
    with target.open("xb") as copy:
        for block in _blocks(source):
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()


def _blocks(source: IO[bytes]) -> Iterator[bytes]:
    source.seek(0)
    while block := source.read(_BLOCK_BYTES):
        yield block
