"""Secrets that stand in files: `NETHEAL_POSTGRES_DSN_FILE` names the file that holds `NETHEAL_POSTGRES_DSN`."""

import os
from collections.abc import Iterable
from pathlib import Path

from netheal.errors import SettingsError

SUFFIX = "_FILE"
_MOST_BYTES = 65_536


def read_secret_files(variables: Iterable[str]) -> dict[str, str]:
    """The contents of the files that the environment names, by the variable that they stand for.

    One line break at a file's end is not part of it. Raises SettingsError where a file cannot be read, holds nothing,
    or where the secret itself is set as well.
    """
    found = {}
    for name in variables:
        path = os.environ.get(name + SUFFIX)
        if path is None:
            continue
        if name in os.environ:
            raise SettingsError(f"{name} and {name}{SUFFIX} are both set: unset one of them")
        found[name] = _read(name + SUFFIX, Path(path))
    return found


def _read(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise SettingsError(f"{variable} names {path}, which cannot be read ({why}): correct the path") from error
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret or len(text) > _MOST_BYTES:
        why = "is empty" if not secret else f"has more than {_MOST_BYTES:,} characters"
        raise SettingsError(f"{variable} names {path}, which {why}: it must hold the secret alone")
    return secret
