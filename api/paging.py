"""Pages: an opaque cursor says where the last one ended."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Protocol

import msgspec

from api.errors import Refusal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBER = msgspec.Meta(ge=0, le=2**63 - 1)
_TIME = msgspec.Meta(ge=-(10**15), le=10**17)

Microseconds = Annotated[int, _TIME]
Number = Annotated[int, _NUMBER]
Name = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$", max_length=200)]


def to_microseconds(moment: datetime) -> int:
    """Since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The same moment again."""
    return _EPOCH + microseconds * _MICROSECOND


def write_cursor(place: tuple[int | str, ...]) -> str:
    """A place as a client keeps it."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read_cursor[Place](text: str | None, kind: type[Place]) -> Place | None:
    """The place in a cursor, None for none; raises Refusal where it is not one of ours."""
    if text is None:
        return None
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.DecodeError) as error:
        message = "the cursor is none that this list gave"
        raise Refusal(422, "invalid", message, {"query": {"cursor": [message]}}) from error


class _WithId(Protocol):
    @property
    def id(self) -> int: ...


def page_by_id[Row: _WithId](
    cursor: str | None, limit: int, fetch: Callable[[int | None, int], Sequence[Row]]
) -> tuple[Sequence[Row], str | None]:
    """The rows of a page, newest first, and the cursor of the next one, None after the last.

    `fetch` gives at most so many rows with smaller ids than the given one, None for the newest.
    """
    place = read_cursor(cursor, tuple[Number])
    found = fetch(place[0] if place else None, limit + 1)
    rows = found[:limit]
    return rows, write_cursor((rows[-1].id,)) if len(found) > limit else None
