"""The same as `LocalBundles` and `LocalOriginals` in an object store or another file system, through fsspec.

Such a store keeps what it has acknowledged, and shows a file whole or not at all.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from fsspec import AbstractFileSystem

from netheal.bundles.served import MANIFEST_FILE, ONNX_FILE, ServedBundle, parse_manifest
from netheal.errors import BundleError, ServiceUnavailable
from netheal.registry.originals import NOT_EXAMINED, NOT_KEPT, altered, blocks, copied, require_sha256, sha256_of


@contextmanager
def answering(folder: str) -> Iterator[None]:
    """An error of the store, but that a file is not there, is ServiceUnavailable: no model is at fault."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        words = " ".join(str(error).split())
        raise ServiceUnavailable(f"the artefacts in {folder} cannot be reached: {words}") from error


class ObjectBundles:
    """Bundles below a folder: one is there once its manifest is, which is written last."""

    def __init__(self, files: AbstractFileSystem, folder: str) -> None:
        self._files = files
        self._folder = folder

    @contextmanager
    def staged(self, bundle: ServedBundle) -> Iterator[Callable[[ServedBundle], None]]:
        """See `LocalBundles`; here the graph is written with the manifest."""
        yield self._store

    def _store(self, bundle: ServedBundle) -> None:
        with answering(self._folder):
            if not self._files.exists(self._path(bundle.hash, MANIFEST_FILE)):
                self._files.pipe_file(self._path(bundle.hash, ONNX_FILE), bundle.onnx)
                self._files.pipe_file(self._path(bundle.hash, MANIFEST_FILE), bundle.manifest.to_json() + b"\n")

    def exists(self, bundle_hash: str) -> bool:
        """Whether a bundle is there."""
        with answering(self._folder):
            return bool(self._files.exists(self._path(bundle_hash, MANIFEST_FILE)))

    def read(self, bundle_hash: str) -> ServedBundle:
        """The bundle; raises BundleError where it is missing or does not fit."""
        try:
            with answering(self._folder):
                manifest = self._files.cat_file(self._path(bundle_hash, MANIFEST_FILE))
                graph = self._files.cat_file(self._path(bundle_hash, ONNX_FILE))
        except FileNotFoundError as error:
            raise BundleError(f"there is no served bundle {bundle_hash} in {self._folder}") from error
        return ServedBundle(parse_manifest(manifest), graph)

    def remove(self, bundle_hash: str) -> None:
        """Remove a bundle for good, the manifest first; one that is not there is no error."""
        with answering(self._folder):
            for name in (MANIFEST_FILE, ONNX_FILE):
                with suppress(FileNotFoundError):
                    self._files.rm_file(self._path(bundle_hash, name))

    def size_bytes(self, bundle_hash: str) -> int:
        """What a bundle takes; 0 where it is not there."""
        return sum(size_of(self._files, self._path(bundle_hash, name)) for name in (MANIFEST_FILE, ONNX_FILE))

    def place(self, bundle_hash: str) -> str:
        """Where a bundle is, for a person."""
        return f"{self._folder}/{bundle_hash}"

    def _path(self, bundle_hash: str, name: str) -> str:
        return f"{self._folder}/{bundle_hash}/{name}"


class ObjectOriginals:
    """Originals below a folder."""

    def __init__(self, files: AbstractFileSystem, folder: str) -> None:
        self._files = files
        self._folder = folder

    @contextmanager
    def staged(self, source: IO[bytes] | None, sha256: str) -> Iterator[Callable[[], None]]:
        """See `LocalOriginals`; here the file is written when it is wanted."""
        if source is None:
            yield lambda: None
            return
        if sha256_of(source) != sha256:
            raise BundleError(NOT_EXAMINED)
        yield lambda: self._keep(source, sha256)

    def _keep(self, source: IO[bytes], sha256: str) -> None:
        with answering(self._folder), self._files.open(self._path(sha256), "wb") as kept:
            for block in blocks(source):
                kept.write(block)

    def open(self, sha256: str) -> IO[bytes]:
        """The file, copied into a temporary one; raises BundleError where it is missing or altered."""
        require_sha256(sha256)
        copy: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's
        try:
            with answering(self._folder), self._files.open(self._path(sha256), "rb") as kept:
                found = copied(kept, copy)
        except FileNotFoundError as error:
            copy.close()
            raise BundleError(NOT_KEPT) from error
        if found != sha256:
            copy.close()
            raise BundleError(altered(sha256))
        copy.seek(0)
        return copy

    def remove(self, sha256: str) -> None:
        """Remove a file for good; one that is not there is no error."""
        with answering(self._folder), suppress(FileNotFoundError):
            self._files.rm_file(self._path(sha256))

    def size_bytes(self, sha256: str) -> int:
        """What a file takes; 0 where it is not there."""
        return size_of(self._files, self._path(sha256)) if sha256 else 0

    def _path(self, sha256: str) -> str:
        return f"{self._folder}/{sha256}"


def size_of(files: AbstractFileSystem, path: str) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        with answering(path):
            return int(files.size(path) or 0)
    except FileNotFoundError:
        return 0
