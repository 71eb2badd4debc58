"""The models that a process has in memory."""

import ctypes
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from netheal.bundles.served import ServedBundle
from netheal.scoring.model import ServedModel

_MOST = 8


class LoadedModels:
    """Models by their bundles' hash, each loaded once while it is in use; for any number of threads.

    With `idle_s`, one that nobody asked for in so many seconds is forgotten, too: whoever scores seldom does not learn
    otherwise that a model is not active any more.
    """

    def __init__(self, idle_s: float | None = None) -> None:
        self._models: dict[str, ServedModel] = {}
        self._used_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._idle_s = idle_s
        self._timer: threading.Timer | None = None

    def get(self, bundle_hash: str, load: Callable[[], ServedBundle]) -> ServedModel:
        """The model of that hash; where it is not there it is loaded, and the one unused longest may go."""
        with self._lock:
            model = self._models.pop(bundle_hash, None) or ServedModel(load())
            self._models[bundle_hash] = model
            self._used_at[bundle_hash] = time.monotonic()
            dropped = self._drop(list(self._models)[:-_MOST])
            if self._idle_s is not None and self._timer is None:
                self._look_in(self._idle_s)
        _give_back(dropped)
        return model

    def keep(self, bundle_hashes: Collection[str]) -> None:
        """Forget all others, and give their memory back to the system."""
        with self._lock:
            dropped = self._drop([key for key in self._models if key not in bundle_hashes])
        _give_back(dropped)

    def forget(self, bundle_hashes: Collection[str]) -> None:
        """Forget these, and give their memory back to the system."""
        with self._lock:
            dropped = self._drop([key for key in self._models if key in bundle_hashes])
        _give_back(dropped)

    def _drop(self, bundle_hashes: Collection[str]) -> list[ServedModel]:
        for key in bundle_hashes:
            del self._used_at[key]
        return [self._models.pop(key) for key in bundle_hashes]

    def _look_in(self, wait_s: float) -> None:
        self._timer = threading.Timer(wait_s, self._forget_idle)
        self._timer.daemon = True
        self._timer.start()

    def _forget_idle(self) -> None:
        idle_s, now = self._idle_s or 0.0, time.monotonic()
        with self._lock:
            self._timer = None
            dropped = self._drop([key for key, used_at in self._used_at.items() if used_at + idle_s <= now])
            if self._models:
                self._look_in(max(0.0, min(self._used_at.values()) + idle_s - now))
        _give_back(dropped)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._models)


def _give_back(dropped: list[ServedModel]) -> None:
    """The C library keeps what is freed in pieces; on glibc it can be told not to."""
    if not dropped:
        return
    dropped.clear()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
