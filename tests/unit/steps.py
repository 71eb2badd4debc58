"""How much work a call is, counted in lines of Python that run: what grows too quickly shows without a clock."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps_of(run: Callable[[], object]) -> int:
    """Lines of Python that run in the call."""
    steps = 0

    def count(_: FrameType, __: str, ___: Any) -> Any:
        nonlocal steps
        steps += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        run()
    finally:
        sys.settrace(before)
    return steps
