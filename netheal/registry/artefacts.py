"""Served bundles on disk, by content hash."""

from pathlib import Path

from netheal.bundles.served import ServedBundle, read_served
from netheal.errors import BundleError


class Artefacts:
    """A folder with one folder a bundle, named by its hash."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, bundle: ServedBundle) -> str:
        """Store a bundle, once; its hash."""
        folder = self._root / bundle.hash
        if not folder.exists():
            fresh = self._root / f".{bundle.hash}.new"
            bundle.write(fresh)
            fresh.rename(folder)
        return bundle.hash

    def get(self, bundle_hash: str) -> ServedBundle:
        """The bundle of that hash; raises BundleError where it is missing or altered."""
        bundle = read_served(self._root / bundle_hash)
        if bundle.hash != bundle_hash:
            raise BundleError(f"the stored bundle {bundle_hash} was altered: restore it from its source")
        return bundle
