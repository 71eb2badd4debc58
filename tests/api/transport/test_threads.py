"""Threads come with work and go without it."""

import threading
import time
from collections.abc import Callable

import pytest

from api.transport.threads import ElasticPool


def eventually(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_what_is_submitted_is_done_and_answered() -> None:
    pool = ElasticPool(2)
    assert pool.submit(divmod, 7, 2).result(5) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 7, 0).result(5)
    assert len(pool) <= 2


def test_threads_stay_within_the_bound_and_what_is_over_it_waits() -> None:
    pool, gate = ElasticPool(3), threading.Event()
    futures = [pool.submit(gate.wait, 10) for _ in range(8)]
    assert len(pool) == 3
    gate.set()
    assert all(future.result(5) for future in futures)
    assert len(pool) == 3


def test_idle_threads_end_and_later_work_is_still_done() -> None:
    pool, gate = ElasticPool(20, idle_s=0.2), threading.Event()
    futures = [pool.submit(gate.wait, 10) for _ in range(20)]
    gate.set()
    assert all(future.result(5) for future in futures)
    eventually(lambda: len(pool) == 0)
    assert pool.submit(len, "abc").result(5) == 3


def test_a_trickle_keeps_one_thread_not_all() -> None:
    pool, gate = ElasticPool(10, idle_s=0.3), threading.Event()
    futures = [pool.submit(gate.wait, 10) for _ in range(10)]
    gate.set()
    assert all(future.result(5) for future in futures)
    limit = time.monotonic() + 5
    while len(pool) > 1:
        assert time.monotonic() < limit
        pool.submit(len, "").result(5)
        time.sleep(0.02)


def test_nothing_is_lost_when_threads_end_as_work_comes() -> None:
    pool = ElasticPool(4, idle_s=0.001)
    for n in range(500):
        assert pool.submit(int, n).result(5) == n
        if n % 50 == 0:
            time.sleep(0.002)


def test_after_shutdown_nothing_is_taken_and_threads_end() -> None:
    pool = ElasticPool(4)
    pool.submit(len, "").result(5)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.submit(len, "")
    eventually(lambda: len(pool) == 0)


def test_without_a_new_thread_work_waits_for_one_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, gate = ElasticPool(2), threading.Event()
    first = pool.submit(gate.wait, 10)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        second = pool.submit(divmod, 7, 2)
        assert (len(pool), second.done()) == (1, False)
        with pytest.raises(RuntimeError, match="can't start"):
            ElasticPool(2).submit(divmod, 7, 2)
    gate.set()
    assert first.result(5) and second.result(5) == (3, 1)
    both = threading.Barrier(2)
    assert {f.result(5) for f in [pool.submit(both.wait, 5) for _ in range(2)]} == {0, 1}, "two are possible again"
