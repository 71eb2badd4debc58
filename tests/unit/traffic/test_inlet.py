"""Bodies are taken apart without changing a byte of an item, and what is no object is named by its place."""

import pytest

from netheal.traffic.inlet import Items, Refused, TooManyItems, array_items, line_items


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
    assert found.refused == [Refused(index, "not_an_object") for index in (1, 2, 4, 5, 6)]
    lines = line_items(b'{}\n\n1\n  {"a": 1}\nnull', 10)
    assert [index for index, _ in lines.values] == [0, 2]
    assert lines.refused == [Refused(1, "not_an_object"), Refused(3, "not_an_object")]


def test_a_broken_line_is_for_the_stream_to_judge() -> None:
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


def test_an_empty_body_has_no_items() -> None:
    assert array_items(" [ ] ", 10).values == line_items(b"\n \n", 10).values == []


def test_more_items_than_are_taken_are_noticed_early() -> None:
    for taken in (lambda n: array_items(f"[{','.join('1' * n)}]", 3), lambda n: line_items(b"{}\n" * n, 3)):
        assert len(taken(3).values) + len(taken(3).refused) == 3
        with pytest.raises(TooManyItems, match="more than 3 items"):
            taken(4)
