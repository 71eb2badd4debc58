"""Served bundles on disk, by content hash."""

import shutil
import uuid
from pathlib import Path

from netheal.bundles.served import ServedBundle, read_served
from netheal.durable import sync_files, sync_path
from netheal.errors import BundleError, ModelFailure
from netheal.telemetry import emit


class Artefacts:
    """A folder with one folder a bundle, named by its hash."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, bundle: ServedBundle) -> str:
        """Store a bundle, once, so that it outlives a power cut; its hash."""
        folder = self._root / bundle.hash
        if not folder.exists():
            fresh = self._root / f".{bundle.hash}.{uuid.uuid4().hex}"
            try:
                bundle.write(fresh)
                sync_files(fresh.iterdir())
                self._rename(fresh, folder)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                raise
            sync_path(self._root)
        return bundle.hash

    def _rename(self, fresh: Path, folder: Path) -> None:
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            shutil.rmtree(fresh, ignore_errors=True)  # somebody else stored the same just now

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
        emit("model.loaded", version=bundle.manifest.version, hash=bundle_hash)
        return bundle

    def remove(self, bundle_hash: str) -> None:
        """Remove a bundle for good; one that is not there is no error."""
        shutil.rmtree(self._root / bundle_hash, ignore_errors=True)

    def size_bytes(self, bundle_hash: str) -> int:
        """What a bundle takes on disk; 0 where it is not there."""
        folder = self._root / bundle_hash
        return sum(file.stat().st_size for file in folder.iterdir()) if folder.is_dir() else 0
