"""No minute and no hour has more messages than it may, whenever a channel asks."""

import itertools
from datetime import datetime, timedelta

import pytest

from netheal.notifications.rate_limit import RateLimit

START = datetime(2024, 12, 1)


@pytest.mark.parametrize(("per_minute", "per_hour"), [(5, 60), (1, 1), (10, 7), (3, 1000), (60, 61)])
def test_under_a_flood_of_four_hours(per_minute: int, per_hour: int) -> None:
    limit, sent = RateLimit(per_minute, per_hour), list[datetime]()
    for second in range(4 * 3600):
        now = START + timedelta(seconds=second)
        lately = [at for at in sent if now - at < timedelta(hours=1)]
        sent += [now] * min(2, limit.budget(lately, now))
        for span, most in ((timedelta(minutes=1), per_minute), (timedelta(hours=1), per_hour)):
            assert sum(now - at < span for at in sent[-1500:]) <= most
    assert len(sent) >= 2 * min(per_hour, 60 * per_minute), "less than half of each hour is used"
    silence = max(b - a for a, b in itertools.pairwise(sent)) if len(sent) > 1 else timedelta(hours=1)
    assert silence <= max(timedelta(hours=2) / per_hour, timedelta(minutes=1)) + timedelta(seconds=2)


def test_a_quiet_channel_may_send_a_minutes_worth() -> None:
    assert RateLimit(5, 60).budget([], START) == 5
