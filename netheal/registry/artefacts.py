"""Served bundles on disk, by content hash, and beside them the files that they were made of."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from netheal.bundles.served import MANIFEST_FILE, ServedBundle, read_served
from netheal.errors import BundleError, ModelFailure
from netheal.host.fsync import sync_files, sync_path
from netheal.registry.originals import Originals
from netheal.registry.version_names import loaded_message
from netheal.telemetry import emit

_ORIGINALS = "originals"


class Artefacts:
    """A folder with one folder a bundle, named by its hash; `originals` are the files that were handed in."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.originals = Originals(root / _ORIGINALS)

    def put(self, bundle: ServedBundle) -> str:
        """Store a bundle, once, so that it outlives a power cut; its hash."""
        if not (self._root / bundle.hash).exists():
            with self.staged(bundle) as store:
                store(bundle)
        return bundle.hash

    @contextmanager
    def staged(self, bundle: ServedBundle) -> Iterator[Callable[[ServedBundle], None]]:
        """Write the graph, which takes its time, before it is known what the model will be called.

        What is given stores the bundle under its final manifest; if it is not called, nothing is left.
        """
        fresh = self._root / f".{uuid.uuid4().hex}"
        try:
            bundle.write_graph(fresh)
            sync_files(fresh.iterdir())
            yield lambda named: self._store(fresh, named)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _store(self, fresh: Path, bundle: ServedBundle) -> None:
        folder = self._root / bundle.hash
        bundle.write_manifest(fresh)
        sync_files([fresh / MANIFEST_FILE])
        try:
            fresh.rename(folder)
        except OSError:  # somebody else stored the same just now
            if not folder.exists():
                raise
        sync_path(self._root)

    def get(self, bundle_hash: str) -> ServedBundle:
        """The bundle of that hash; raises BundleError where it is missing or altered."""
        bundle = read_served(self._root / bundle_hash)
        if bundle.hash != bundle_hash:
            raise BundleError(f"the stored bundle {bundle_hash} was altered: restore it from its source")
        return bundle

    def load(self, bundle_hash: str) -> ServedBundle:
        """The same for scoring; raises ModelFailure where it is missing or altered, as where it fails on rows."""
        try:
            bundle = self.get(bundle_hash)
        except BundleError as error:
            raise ModelFailure(str(error), bundle_hash) from error
        message = loaded_message(bundle.manifest, self._root / bundle_hash)
        emit("model.loaded", version=bundle.manifest.version, hash=bundle_hash, message=message)
        return bundle

    def holds(self, bundle_hash: str) -> bool:
        """Whether the bundle of that hash is there, and as it was stored."""
        try:
            return self.get(bundle_hash).hash == bundle_hash
        except BundleError:
            return False

    def remove(self, bundle_hash: str) -> None:
        """Remove a bundle for good; one that is not there is no error."""
        shutil.rmtree(self._root / bundle_hash, ignore_errors=True)

    def size_bytes(self, bundle_hash: str) -> int:
        """What a bundle takes on disk; 0 where it is not there."""
        folder = self._root / bundle_hash
        return sum(file.stat().st_size for file in folder.iterdir()) if folder.is_dir() else 0
