"""How much disk a long run says it takes."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.disk import DiskUse, Sent, needed, require_room
from netheal.errors import SettingsError

HOUR = Sent(rate_per_s=20_000, seconds=3_600, row_bytes=1_150, lz4_share=0.0, postgres_s=3_600)


def test_topics_do_not_grow_with_time_for_ever() -> None:
    assert needed(replace(HOUR, seconds=7_200), 2).topics == needed(HOUR, 2).topics
    assert needed(replace(HOUR, seconds=7_200), 2).delta == 2 * needed(HOUR, 2).delta


def test_compression_and_an_empty_postgres_need_less() -> None:
    assert needed(replace(HOUR, lz4_share=1.0), 2).topics < needed(HOUR, 2).topics
    assert needed(replace(HOUR, postgres_s=300), 2).postgres < needed(HOUR, 2).postgres / 2


def test_a_run_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    require_room(tmp_path, DiskUse(0, 0, 0))
    with pytest.raises(SettingsError, match=r"takes about 1024\.0 GiB of disk .* are free .* --lz4-share 1"):
        require_room(tmp_path, DiskUse(topics=2.0**40, delta=0, postgres=0))
