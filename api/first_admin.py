"""The first admin's token of an API that nobody can ask without one: made at a start, into a file of the operator's.

1. `create_first_admin` locks the table of tokens, and ends here where an admin's token opens anything.
2. It writes the new token in its transaction.
3. The file is written beside its place, synced, and renamed into it: only its owner may read it (0600).
4. The transaction is committed.

A crash before 4 leaves no token, and perhaps a file whose text opens nothing; the next start replaces it. The token is
written nowhere else. Revoked, or expired, with no other admin's in its place, it is made anew by the next start.
"""

from datetime import UTC, datetime
from pathlib import Path

from netheal.errors import SettingsError
from netheal.host.atomic_write import write_whole
from netheal.store.database import Connection
from netheal.store.tokens import create_first_admin
from netheal.telemetry import emit

_MADE_BY = "start"


def make_first_admin(connection: Connection, file: Path) -> None:
    """Have an admin's token in this file, unless an admin has one already; raises SettingsError where it cannot be."""

    def keep(text: str) -> None:
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(file, text + "\n", mode=0o600)
        except OSError as error:
            why = f"NETHEAL_API_ADMIN_TOKEN_FILE names {file}, which cannot be written ({error.strerror})"
            raise SettingsError(f"{why}: make its folder writable for this user, or correct the path") from error

    token = create_first_admin(connection, f"admin-{datetime.now(UTC):%Y%m%dT%H%M%SZ}", _MADE_BY, keep)
    if token is not None:
        emit("api.admin_token_made", name=token.name, file=str(file))
