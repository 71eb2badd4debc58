"""Model files as they were handed in, by the SHA-256 of their content: kept for people, never read by netheal.

In a folder here; elsewhere in `netheal.registry.object_artefacts`.
"""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol

from netheal.errors import BundleError
from netheal.host.fsync import sync_files, sync_path

_BLOCK_BYTES = 2**20
NOT_EXAMINED = "the file is not the one that was examined: upload it again"
NOT_KEPT = "its file was not kept: upload it again, and it is"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Originals(Protocol):
    """Files by their hashes."""

    def staged(self, source: IO[bytes] | None, sha256: str) -> AbstractContextManager[Callable[[], None]]:
        """Take a file in, which takes its time, before it is known whether it is wanted.

        What is given keeps it, once, so that it outlives a power cut; if it is not called, nothing is left, and there
        is nothing to keep where `source` is None. Raises BundleError where the file has not that hash.
        """

    def open(self, sha256: str) -> IO[bytes]:
        """The file of that hash, from its beginning; raises BundleError where it is missing or altered."""

    def remove(self, sha256: str) -> None:
        """Remove a file for good; one that is not there is no error."""

    def size_bytes(self, sha256: str) -> int:
        """What a file takes; 0 where it is not there."""


class LocalOriginals:
    """A folder with one file an original, named by its hash."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def staged(self, source: IO[bytes] | None, sha256: str) -> Iterator[Callable[[], None]]:
        """See `Originals`; the copy lies beside its place until it is wanted."""
        if source is None:
            yield lambda: None
            return
        fresh = self._root / f".{uuid.uuid4().hex}"
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            with fresh.open("xb") as copy:
                is_same = copied(source, copy) == sha256
            if not is_same:
                raise BundleError(NOT_EXAMINED)
            sync_files([fresh])
            yield lambda: self._keep(fresh, sha256)
        finally:
            fresh.unlink(missing_ok=True)

    def _keep(self, fresh: Path, sha256: str) -> None:
        fresh.replace(self._root / sha256)
        sync_path(self._root)
        sync_path(self._root.parent)

    def open(self, sha256: str) -> IO[bytes]:
        """See `Originals`."""
        require_sha256(sha256)
        try:
            file = (self._root / sha256).open("rb")
        except FileNotFoundError as error:
            raise BundleError(NOT_KEPT) from error
        if sha256_of(file) != sha256:
            file.close()
            raise BundleError(altered(sha256))
        file.seek(0)
        return file

    def remove(self, sha256: str) -> None:
        """Remove a file for good; one that is not there is no error."""
        (self._root / sha256).unlink(missing_ok=True)

    def size_bytes(self, sha256: str) -> int:
        """What a file takes on disk; 0 where it is not there."""
        path = self._root / sha256
        return path.stat().st_size if path.is_file() else 0


def require_sha256(sha256: str) -> None:
    """Raise BundleError where this is no hash, and so that of no file."""
    if not _SHA256.fullmatch(sha256):
        raise BundleError(NOT_KEPT)


def altered(sha256: str) -> str:
    """What is said of a file whose content has not its hash."""
    return f"the kept file {sha256} was altered: restore it from its source"


def sha256_of(source: IO[bytes]) -> str:
    """The hash of a file from its beginning, as hexadecimal digits."""
    digest = hashlib.sha256()
    for block in blocks(source):
        digest.update(block)
    return digest.hexdigest()


def copied(source: IO[bytes], target: IO[bytes]) -> str:
    """Copy a file from its beginning; the hash of what was copied."""
    digest = hashlib.sha256()
    for block in blocks(source):
        digest.update(block)
        target.write(block)
    return digest.hexdigest()


def blocks(source: IO[bytes]) -> Iterator[bytes]:
    """A file from its beginning, piece by piece."""
    source.seek(0)
    while block := source.read(_BLOCK_BYTES):
        yield block
