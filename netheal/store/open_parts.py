"""How Delta parts are named, and which of them belong to something that is open: they may be committed yet."""

from netheal.store.database import Connection, transaction

UPLOADS = "upload"
REPLAYS = "replay"
"""Owners of parts, beside the streaming queries by their ids."""

_OPEN = """
select query_id, batch_id from batches where state = 'open'
union all select %s, id from uploads where state = 'open'
union all select %s, id from replay_batches where state = 'open'
"""


def part_prefix(owner: str, batch_id: int) -> str:
    """What the names of a batch's parts begin with."""
    return f"{owner}-{batch_id:010d}-"


def open_prefixes(connection: Connection) -> list[str]:
    """The prefixes of all batches, files and replays that are open now."""
    with transaction(connection) as cursor:
        cursor.execute(_OPEN, (UPLOADS, REPLAYS))
        return [part_prefix(owner, batch_id) for owner, batch_id in cursor.fetchall()]
