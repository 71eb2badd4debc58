"""The models that a process has in memory."""

import ctypes
import threading
from collections.abc import Callable, Collection
from contextlib import suppress

from netheal.bundles.served import ServedBundle
from netheal.scoring.model import ServedModel

_MOST = 8


class LoadedModels:
    """Models by their bundles' hash, each loaded once while it is in use; for any number of threads."""

    def __init__(self) -> None:
        self._models: dict[str, ServedModel] = {}
        self._lock = threading.Lock()

    def get(self, bundle_hash: str, load: Callable[[], ServedBundle]) -> ServedModel:
        """The model of that hash; where it is not there it is loaded, and the one unused longest may go."""
        with self._lock:
            model = self._models.pop(bundle_hash, None) or ServedModel(load())
            self._models[bundle_hash] = model
            dropped = [self._models.pop(key) for key in list(self._models)[:-_MOST]]
        if dropped:
            _give_back(dropped)
        return model

    def keep(self, bundle_hashes: Collection[str]) -> None:
        """Forget all others, and give their memory back to the system."""
        with self._lock:
            dropped = [self._models.pop(key) for key in list(self._models) if key not in bundle_hashes]
        if dropped:
            _give_back(dropped)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._models)


def _give_back(dropped: list[ServedModel]) -> None:
    """The C library keeps what is freed in pieces; on glibc it can be told not to."""
    dropped.clear()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
