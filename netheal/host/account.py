"""Whom PostgreSQL runs as: it refuses to be root, so root starts it as `nobody`."""

import os
import pwd
import stat
from pathlib import Path

from netheal.errors import SettingsError
from netheal.host.child import Account


def account_for(*paths: Path) -> Account | None:
    """None where we are not root and can stay who we are."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise SettingsError(
            "PostgreSQL does not run as root and there is no user `nobody` here: start netheal as another user"
        ) from None
    return Account(entry.pw_uid, entry.pw_gid, closed=not all(open_to_others(path) for path in paths))


def open_to_others(path: Path) -> bool:
    """Whether any user may reach this path: enter it (a folder) or run it, and enter every folder above."""
    resolved = path.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (resolved, *resolved.parents))


def give(path: Path, account: Account | None) -> None:
    """Make a file or folder the account's own."""
    if account is not None:
        os.chown(path, account.uid, account.gid)
