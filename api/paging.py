"""Cursor pagination: an opaque cursor says where a page ended, the next one begins behind it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from api.errors import Refusal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBER = msgspec.Meta(ge=0, le=2**63 - 1)
_TIME = msgspec.Meta(ge=-(10**15), le=10**17)
_OF_THE_PAGE = ("limit", "cursor")

Microseconds = Annotated[int, _TIME]
Number = Annotated[int, _NUMBER]
Name = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$", max_length=200)]


@dataclass(frozen=True)
class SortKey[Position]:
    """What a list is sorted by, newest first.

    `encode` gives a row's key as plain values, `kind` is the type of these, `decode` makes them the position that the
    store's query takes.
    """

    kind: Any
    encode: Callable[[Any], tuple[int | str, ...]]
    decode: Callable[[Any], Position]

    def cursor(self, row: Any) -> str:
        """The cursor of the page that begins behind a row."""
        return self.cursor_behind(*self.encode(row))

    def cursor_behind(self, *key: int | str) -> str:
        """The same of a row that is known by its key alone."""
        return urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")

    def position(self, cursor: str) -> Position:
        """Where the page of a cursor begins; raises Refusal for what is no cursor of such a list."""
        try:
            raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
            return self.decode(msgspec.json.decode(raw, type=self.kind))
        except (ValueError, msgspec.DecodeError) as error:
            message = "the cursor is none that this list gave"
            raise Refusal(422, "invalid", message, {"query": {"cursor": [message]}}) from error


@dataclass(frozen=True)
class Page[Row]:
    """The rows of a page, and the cursor of the next one, None after the last."""

    rows: Sequence[Row]
    next_cursor: str | None

    def document(self, name: str, describe: Callable[[Row], Any], **more: Any) -> dict[str, Any]:
        """The answer of a list: its rows, described one by one, under `name`, what else it says, `next_cursor`."""
        return {name: [describe(row) for row in self.rows], **more, "next_cursor": self.next_cursor}


def read_page[Row, Position](
    query: Mapping[str, Any],
    key: SortKey[Position],
    fetch: Callable[[Position | None, int], Sequence[Row]],
) -> Page[Row]:
    """The page that a query, loaded by `PageQuery`, asks for; raises Refusal for a cursor of another list.

    `fetch` gives at most so many rows behind a position, the first ones of all for None.
    """
    limit, cursor = query["limit"], query.get("cursor")
    found = fetch(None if cursor is None else key.position(cursor), limit + 1)
    rows = found[:limit]
    return Page(rows, key.cursor(rows[-1]) if len(found) > limit else None)


def filters_of(query: Mapping[str, Any]) -> dict[str, Any]:
    """What a query asks for beside the page."""
    return {name: value for name, value in query.items() if name not in _OF_THE_PAGE}


def to_microseconds(moment: datetime) -> int:
    """Since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The same moment again."""
    return _EPOCH + microseconds * _MICROSECOND


BY_ID: SortKey[int] = SortKey(tuple[Number], lambda row: (row.id,), lambda key: int(key[0]))
BY_EVENT: SortKey[tuple[datetime, int]] = SortKey(
    tuple[Microseconds, Number],
    lambda row: (to_microseconds(row.recorded_at), row.event_id),
    lambda key: (from_microseconds(key[0]), key[1]),
)
