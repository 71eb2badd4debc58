"""The threads of the API: as many as there is work for, up to a bound, and few again afterwards.

`ThreadPoolExecutor` keeps every thread it ever had. Here a hundred sockets that went leave nothing behind.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import Any

_IDLE_S = 10.0

Work = Callable[[], None]


class ElasticPool(Executor):
    """At most `most` threads; one that had nothing to do for `idle_s` ends. The one used last is used next."""

    def __init__(self, most: int, idle_s: float = _IDLE_S) -> None:
        self._most = most
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Work | None]] = []
        self._waiting: deque[Work] = deque()
        self._threads = 0
        self._ended = False

    def __len__(self) -> int:
        return self._threads

    def submit[Result](self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Have it done by a thread, at once or when one is free; raises RuntimeError after `shutdown`."""
        future: Future[Result] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 – the future has it
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._lock:
            if self._ended:
                raise RuntimeError("this pool was shut down")
            if self._idle:
                self._idle.pop().put(work)
            elif self._threads < self._most and self._start(work):
                self._threads += 1
            else:
                self._waiting.append(work)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more. What runs or waits is finished by its threads, and not waited for."""
        with self._lock:
            self._ended = True
            for inbox in self._idle:
                inbox.put(None)
            self._idle.clear()

    def _start(self, work: Work) -> bool:
        """False where the system gives no thread, and there are others to do the work; RuntimeError where none is."""
        try:
            threading.Thread(target=self._run, args=(work,), name="api", daemon=True).start()
        except RuntimeError:
            if self._threads == 0:
                raise
            return False
        return True

    def _run(self, work: Work) -> None:
        inbox: SimpleQueue[Work | None] = SimpleQueue()
        current: Work | None = work
        while current is not None:
            current()
            # Not to hold a request, and all that hangs on it, while idle.
            current = None
            current = self._next(inbox)

    def _next(self, inbox: SimpleQueue[Work | None]) -> Work | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._ended:
                self._threads -= 1
                return None
            self._idle.append(inbox)
        try:
            work = inbox.get(timeout=self._idle_s)
        except Empty:
            with self._lock:
                if inbox in self._idle:
                    self._idle.remove(inbox)
                    self._threads -= 1
                    return None
            # Given between the end of the wait and the lock.
            work = inbox.get()
        if work is None:
            with self._lock:
                self._threads -= 1
        return work
