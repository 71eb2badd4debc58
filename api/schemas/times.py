"""Times as clients see them."""

from datetime import UTC, datetime
from typing import overload

SERVED_SINCE = {
    "format": "date-time",
    "description": "Lists reach back to here; an older row is in Delta alone, and is shown by its id",
}
"""Of a list that Postgres serves, see `NETHEAL_SERVING_DAYS`."""


@overload
def iso_utc(moment: datetime) -> str: ...
@overload
def iso_utc(moment: None) -> None: ...
def iso_utc(moment: datetime | None) -> str | None:
    """ISO 8601, UTC, to the millisecond, with `Z`; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
