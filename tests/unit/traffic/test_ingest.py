"""Bodies are taken apart without changing a byte of an item, and what is no object is named by its place."""

import tracemalloc
from collections.abc import Callable

import pytest

from netheal.records.strict_parser import MAX_VALUE_BYTES
from netheal.traffic import ingest
from netheal.traffic.ingest import Items, RefusedItem, TooManyItems, array_items, line_items
from tests.unit.steps import steps_of


def values(items: Items) -> list[bytes]:
    return [value for _, value in items.values]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": NaN, "b": Infinity, "c": -Infinity}',
        '{"a": 1.10, "a": 2, "big": ' + "9" * 5000 + "}",
        '{ "spaced" :\t[1,{"x":"]},{"}] }',
        '{"snow": "☃", "escaped": "\\u2603\\""}',
        "{}",
    ],
)
def test_an_item_stays_as_it_came(text: str) -> None:
    assert values(array_items(f" [\n{text} ,{text}] ", 10)) == [text.encode()] * 2
    assert values(line_items(f"{text}\r\n\n{text}".encode(), 10)) == [text.encode()] * 2


def test_what_is_no_object_is_named_by_its_place() -> None:
    found = array_items('[{}, 1, null, {"a": 1}, "x", [], true]', 10)
    assert [index for index, _ in found.values] == [0, 3]
    assert found.refused == [RefusedItem(index, "not_an_object") for index in (1, 2, 4, 5, 6)]
    lines = line_items(b'{}\n\n1\n  {"a": 1}\nnull', 10)
    assert [index for index, _ in lines.values] == [0, 2]
    assert lines.refused == [RefusedItem(1, "not_an_object"), RefusedItem(3, "not_an_object")]


def test_a_broken_line_is_for_the_stream_to_reject() -> None:
    assert values(line_items(b'{"a": \xff\n', 10)) == [b'{"a": \xff']


@pytest.mark.parametrize(
    "text", ["", "{}", "[", "[{}", "[{},]", "[{} {}]", "[,]", "[{}]x", "[{}][{}]", "null", "[tru]"]
)
def test_what_is_no_array_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(ValueError):
        array_items(text, 10)


def test_deep_nesting_is_refused_and_breaks_nothing() -> None:
    with pytest.raises(ValueError, match="item 1 is nested too deeply"):
        array_items("[{}," + "[" * 100_000, 10)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 64])
def test_an_item_is_found_whole_wherever_a_window_ends(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    found = [
        '{"a": -Infinity, "b": NaN, "c": [true, null, false]}',
        "123456789012345678901234567890",
        "-1.5e+300",
        '{"escaped": "\\ud83d\\ude00 \\" ]}, \\\\", "snow": "☃☃☃"}',
        '{  "wide"  :' + " " * 50 + "[ 1 ," + "\n" * 50 + "2 ] }",
        '"text"',
        "null",
        "[]",
    ]
    text = f"[{' , '.join(found)}]"
    whole = array_items(text, 10)
    monkeypatch.setattr(ingest, "_FIRST_WINDOW", size)
    assert array_items(text, 10) == whole
    assert [index for index, _ in whole.values] == [0, 3, 4]
    for broken in (text[:-1], text[:-2] + "x]", text.replace("null", "nul"), text.replace("NaN", "NaM")):
        with pytest.raises(ValueError):
            array_items(broken, 10)


@pytest.mark.parametrize("filling", ["[],", "11,", '"x",'])
def test_memory_is_bounded_whatever_an_item_is_made_of(filling: str) -> None:
    text = '[{"a": [' + filling * ((12 << 20) // len(filling)) + "1]}]"
    tracemalloc.start()
    try:
        items = array_items(text, 10)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert (items.values, items.refused) == ([], [RefusedItem(0, "too_large")])


LONG = "x" * MAX_VALUE_BYTES


@pytest.mark.parametrize(
    "item",
    [
        f'{{"a": "{LONG}"}}',
        f'{{"a": ["]", "\\"}}", {{"b": "{LONG}"}}]}}',
        f'["{LONG}"]',
        f'"{LONG}\\""',
        "1" * (MAX_VALUE_BYTES + 9),
    ],
)
def test_an_item_that_is_too_long_is_left_out_alone(item: str) -> None:
    items = array_items(f'[{{"a": 1}}, {item} , {{"b": 2}}]', 10)
    assert items.values == [(0, b'{"a": 1}'), (2, b'{"b": 2}')]
    assert items.refused == [RefusedItem(1, "too_large")]


@pytest.mark.parametrize("item", [f'{{"a": "{LONG}"', f'{{"a": "{LONG}', '"' + '\\"' * MAX_VALUE_BYTES])
def test_an_item_that_is_too_long_and_does_not_end_is_told_in_one_pass(item: str) -> None:
    with pytest.raises(ValueError, match="item 0 does not end"):
        array_items(f"[{item}", 10)


def test_an_item_may_be_as_long_as_a_message() -> None:
    longest = '{"a": "' + "x" * (MAX_VALUE_BYTES - 9) + '"}'
    assert values(array_items(f"[1, {longest}, {{}}]", 10)) == [longest.encode(), b"{}"]


def test_blank_space_is_passed_over_at_once() -> None:
    blank = " \n\t\r" * 50_000
    assert steps_of(lambda: array_items(f"{blank}[{blank}{{}}{blank}]{blank}", 2)) < 1_000
    assert steps_of(lambda: line_items(f"{blank}{{}}{blank}\n{{}}".encode(), 2)) < 1_000


def test_an_empty_body_has_no_items() -> None:
    assert array_items(" [ ] ", 10).values == line_items(b"\n \n", 10).values == []


def test_more_items_than_are_taken_are_noticed_early() -> None:
    ways: tuple[Callable[[int], Items], ...] = (
        lambda n: array_items(f"[{','.join('1' * n)}]", 3),
        lambda n: line_items(b"{}\n" * n, 3),
    )
    for taken in ways:
        assert len(taken(3).values) + len(taken(3).refused) == 3
        with pytest.raises(TooManyItems, match="more than 3 items"):
            taken(4)
