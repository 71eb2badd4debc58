"""What a client may ask for, and what it gets."""

import pytest
from werkzeug.datastructures import MultiDict

from api.errors import Refusal
from api.live.messages import Message
from api.live.subscription import Filter, Subscription, read_subscription
from tests.api.live.rows import message


def subscription(query: list[tuple[str, str]]) -> Subscription:
    return read_subscription(MultiDict(query))


def test_who_asks_for_nothing_gets_everything() -> None:
    assert subscription([]) == Subscription()
    assert subscription([]).filter.matches_all and not subscription([]).full
    assert subscription([("t", "1234")]) == Subscription(), "a name of somebody else's"


@pytest.mark.parametrize(
    ("query", "taken"),
    [
        ([("only", "attacks")], [1, 2, 3]),
        ([("class", "DDoS")], [1]),
        ([("class", "DDoS"), ("class", "Web Attack - XSS")], [1, 3]),
        ([("class", "BENIGN")], [0, 4]),
        ([("min_score", "0.7")], [2]),
        ([("min_score", "0")], [2, 4, 5]),
        ([("min_confidence", "0.9")], [0, 1, 4]),
        ([("min_score", "0.2"), ("min_confidence", "0.9")], [4]),
        ([("only", "attacks"), ("min_score", "0.95")], [2]),
    ],
)
def test_options_pick_rows(query: list[tuple[str, str]], taken: list[int]) -> None:
    rows: list[Message] = [
        message(0, confidence=0.99),
        message(1, class_name="DDoS", confidence=0.9),
        message(2, class_name=None, score=0.97),
        message(3, class_name="Web Attack – XSS", confidence=0.6),
        message(4, score=0.2),
        message(5, class_name=None, score=0.1),
    ]
    assert [row.at for row in subscription(query).filter.select(rows)] == taken


def test_a_sample_is_the_same_for_everybody_and_lies_in_every_larger_one() -> None:
    rows = [message(n, event_id=n * 1024 + n % 2) for n in range(4000)]
    small, large = (
        {row.at for row in subscription([("sample", share)]).filter.select(rows)} for share in ("0.1", "0.4")
    )
    assert small < large
    assert small == {row.at for row in Filter(sample=0.1).select(reversed(rows))}
    assert 300 < len(small) < 500 and 1400 < len(large) < 1800


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("only", v) for v in ("", "normals", "Attacks")],
        *[("class", v) for v in ("", "Heartbleed")],
        *[("min_score", v) for v in ("", "nan", "inf", "-0.1", "1.1", "x")],
        *[("min_confidence", v) for v in ("", "nan", "1.1", "x")],
        *[("sample", v) for v in ("0", "-1", "1.5", "nan", "half")],
        ("detail", "all"),
    ],
)
def test_a_wrong_option_is_refused_by_name(option: str, value: str) -> None:
    with pytest.raises(Refusal) as refused:
        subscription([(option, value)])
    assert refused.value.status == 400
    assert option in refused.value.details


def test_detail_is_asked_for() -> None:
    assert subscription([("detail", "full")]).full
    assert not subscription([("detail", "contract")]).full
