"""Served bundles by content hash, and beside them the files that they were made of: in a folder or an object store."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from netheal.bundles.served import MANIFEST_FILE, ServedBundle, read_served
from netheal.errors import BundleError, ModelFailure
from netheal.host.fsync import local_folder, sync_files, sync_path
from netheal.registry.object_artefacts import ObjectBundles, ObjectOriginals
from netheal.registry.originals import LocalOriginals, Originals
from netheal.registry.version_names import loaded_message
from netheal.store.delta_files import fsspec_of
from netheal.telemetry import emit

_ORIGINALS = "originals"


class Artefacts:
    """What is in a folder or below a URI; `originals` are the files that were handed in.

    Every method raises ServiceUnavailable where an object store does not answer.
    """

    def __init__(self, root: Path | str) -> None:
        folder = local_folder(str(root))
        self.originals: Originals
        if folder is not None:
            self._bundles: LocalBundles | ObjectBundles = LocalBundles(folder)
            self.originals = LocalOriginals(folder / _ORIGINALS)
        else:
            files, place = fsspec_of(str(root))
            self._bundles = ObjectBundles(files, place)
            self.originals = ObjectOriginals(files, f"{place}/{_ORIGINALS}")

    def put(self, bundle: ServedBundle) -> str:
        """Store a bundle, once, so that it outlives a power cut; its hash."""
        if not self._bundles.exists(bundle.hash):
            with self.staged(bundle) as store:
                store(bundle)
        return bundle.hash

    def staged(self, bundle: ServedBundle) -> AbstractContextManager[Callable[[ServedBundle], None]]:
        """Write the graph, which takes its time, before it is known what the model will be called.

        What is given stores the bundle under its final manifest; if it is not called, nothing is left.
        """
        return self._bundles.staged(bundle)

    def get(self, bundle_hash: str) -> ServedBundle:
        """The bundle of that hash; raises BundleError where it is missing or altered."""
        bundle = self._bundles.read(bundle_hash)
        if bundle.hash != bundle_hash:
            raise BundleError(f"the stored bundle {bundle_hash} was altered: restore it from its source")
        return bundle

    def load(self, bundle_hash: str) -> ServedBundle:
        """The same for scoring; raises ModelFailure where it is missing or altered, as where it fails on rows."""
        try:
            bundle = self.get(bundle_hash)
        except BundleError as error:
            raise ModelFailure(str(error), bundle_hash) from error
        message = loaded_message(bundle.manifest, self._bundles.place(bundle_hash))
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
        self._bundles.remove(bundle_hash)

    def size_bytes(self, bundle_hash: str) -> int:
        """What a bundle takes; 0 where it is not there."""
        return self._bundles.size_bytes(bundle_hash)


class LocalBundles:
    """A folder with one folder a bundle, named by its hash."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def staged(self, bundle: ServedBundle) -> Iterator[Callable[[ServedBundle], None]]:
        """See `Artefacts`."""
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

    def exists(self, bundle_hash: str) -> bool:
        """Whether a bundle is there."""
        return (self._root / bundle_hash).exists()

    def read(self, bundle_hash: str) -> ServedBundle:
        """The bundle; raises BundleError where it is missing or does not fit."""
        return read_served(self._root / bundle_hash)

    def remove(self, bundle_hash: str) -> None:
        """Remove a bundle for good; one that is not there is no error."""
        shutil.rmtree(self._root / bundle_hash, ignore_errors=True)

    def size_bytes(self, bundle_hash: str) -> int:
        """What a bundle takes on disk; 0 where it is not there."""
        folder = self._root / bundle_hash
        return sum(file.stat().st_size for file in folder.iterdir()) if folder.is_dir() else 0

    def place(self, bundle_hash: str) -> str:
        """Where a bundle is, for a person."""
        return str(self._root / bundle_hash)
