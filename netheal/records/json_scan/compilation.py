"""How functions of this package are compiled, and where the result is kept from process to process.

Numba keeps the code of a function until that function's own file changes, with what it calls compiled into it. Here a
change of any file of the package has all of them compiled anew: the folder of the code is named after all sources.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import numba

_NUMBA: Any = numba.config
_DIGITS = 16


def compiled(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Decorate a function to be compiled at its first call, or read from the cache; `options` are those of `njit`."""
    if function is None:
        return partial(compiled, **options)
    dispatcher = numba.njit(**options)(function)
    with suppress(RuntimeError):  # where no folder can be written, each process compiles
        _keep_code(dispatcher)
    return dispatcher


def _keep_code(dispatcher: Any) -> None:
    before = _NUMBA.CACHE_DIR
    _NUMBA.CACHE_DIR = str(code_folder(Path(__file__).parent))
    try:
        dispatcher.enable_caching()
    finally:
        _NUMBA.CACHE_DIR = before


@cache
def code_folder(package: Path) -> Path:
    """Below NUMBA_CACHE_DIR where that is set, else beside the sources, else in the user's cache."""
    sources = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(package.glob("*.py"))))
    name = f"{package.name}-{sources.hexdigest()[:_DIGITS]}"
    if _NUMBA.CACHE_DIR:
        return Path(_NUMBA.CACHE_DIR) / name
    beside = package / "__pycache__"
    writable = os.access(beside if beside.is_dir() else package, os.W_OK)
    return (beside if writable else Path.home() / ".cache" / "netheal") / name
