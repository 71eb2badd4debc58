"""What a scored batch adds to the counts that are kept per minute."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_MICROSECONDS_PER_MINUTE = 60_000_000
_SECONDS_PER_MINUTE = 60

MinuteCounts = Counter[tuple[int, str, str]]
"""(minute as seconds since the epoch, kind, name) -> rows. Kinds: prediction (attack, normal), class,
threat (attack, normal), action, rejected (a reason)."""


def count_rows(verdicts: pa.Table, rejected: pa.Table) -> MinuteCounts:
    """Counts of tables in `verdict_schema()` and `rejected_schema()`, by the minute of the record's timestamp."""
    counts: MinuteCounts = Counter()
    for minute, is_attack, threat, name, action, n in _groups(
        verdicts, ["is_attack", "threat_is_attack", "attack_class", "action_type"]
    ):
        counts[minute, "prediction", "attack" if is_attack else "normal"] += n
        counts[minute, "action", action] += n
        if name is not None:
            counts[minute, "class", name] += n
        if threat is not None:
            counts[minute, "threat", "attack" if threat else "normal"] += n
    for minute, reason, n in _groups(rejected, ["reason"]):
        counts[minute, "rejected", reason] += n
    return counts


def _groups(table: pa.Table, keys: list[str]) -> list[tuple[Any, ...]]:
    """Rows of (minute, *keys, count)."""
    microseconds = pc.cast(table["recorded_at"], pa.int64())
    minute = pc.multiply(pc.divide(microseconds, _MICROSECONDS_PER_MINUTE), _SECONDS_PER_MINUTE)
    columns = {"minute": minute} | {key: table[key] for key in keys}
    plain = {k: c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for k, c in columns.items()}
    grouped = pa.table(plain).group_by(list(plain)).aggregate([([], "count_all")])
    ordered = grouped.select([*plain, "count_all"])
    return list(zip(*(column.to_pylist() for column in ordered.columns), strict=True))
