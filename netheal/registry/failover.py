"""Fail-over: a model that fails on real rows is deactivated, the one before it comes back, and scores them all."""

from collections.abc import Callable, Set

from netheal.errors import ModelFailure


def score_with_failover[Scored](
    score: Callable[[Set[str]], Scored],
    fail_over: Callable[[ModelFailure, Set[str]], object],
    most_failures: int | None = None,
) -> Scored:
    """What `score` returns once no model fails in it.

    `score` takes the bundle hashes of the models that failed before, which it must do without (see `active_models`),
    and scores all rows again. `fail_over` takes the failure and the same hashes, with the one that failed now, and
    deactivates that model (see `changes.mark_failed`). Raises the ModelFailure that is the `most_failures`-th, if told.
    """
    failed: set[str] = set()
    while True:
        try:
            return score(failed)
        except ModelFailure as failure:
            failed.add(failure.bundle_hash)
            fail_over(failure, failed)
            if len(failed) == most_failures:
                raise
