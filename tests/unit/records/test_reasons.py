"""Every reason for which a row is rejected, with the field at fault; a bad row never disturbs its neighbours."""

import json
import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from netheal.contracts import MODEL_TYPES
from netheal.contracts.declared_features import declared_features
from netheal.contracts.own_contract import contract_for
from netheal.records.check import Checked, Encoders, check
from netheal.records.decode import MessageDecoder
from netheal.records.reasons import MEANING, RejectionReason
from netheal.records.strict_parser import MAX_VALUE_BYTES
from netheal.records.vocabulary import vocabulary

Row = dict[str, Any]
CheckMessages = Callable[..., Checked]

AS_BYTES: list[tuple[Any, ...]] = [
    ("tombstone", None, RejectionReason.EMPTY),
    ("empty", b"", RejectionReason.EMPTY),
    ("white space", b" \r\n\t ", RejectionReason.EMPTY),
    ("not UTF-8", b'{"src_ip":"\xff"}', RejectionReason.NOT_UTF8),
    ("not UTF-8 in an unknown field", b'{"note":"\xff"}', RejectionReason.NOT_UTF8),
    ("an encoded surrogate", b'{"src_ip":"\xed\xa0\x80"}', RejectionReason.NOT_UTF8),
    ("an overlong NUL", b'{"src_ip":"\xc0\x80"}', RejectionReason.NOT_UTF8),
    ("UTF-16", '{"count":1}'.encode("utf-16"), RejectionReason.NOT_UTF8),
    ("not UTF-8 and not JSON", b"\xff\xfe", RejectionReason.NOT_UTF8),
    ("words", b"hello", RejectionReason.NOT_JSON),
    ("cut off", b'{"count": 1', RejectionReason.NOT_JSON),
    ("single quotes", b"{'count': 1}", RejectionReason.NOT_JSON),
    ("a trailing comma", b'{"count": 1,}', RejectionReason.NOT_JSON),
    ("a raw newline in a string", b'{"src_ip": "a\nb"}', RejectionReason.NOT_JSON),
    ("a raw control character in an unknown field", b'{"note": "a\x01b"}', RejectionReason.NOT_JSON),
    ("a raw NUL", b'{"note": "\x00"}', RejectionReason.NOT_JSON),
    ("a byte order mark", b'\xef\xbb\xbf{"count": 1}', RejectionReason.NOT_JSON),
    ("a leading zero", b'{"count": 01}', RejectionReason.NOT_JSON),
    ("a plus sign", b'{"count": +1}', RejectionReason.NOT_JSON),
    ("a bare point", b'{"count": .5}', RejectionReason.NOT_JSON),
    ("a hexadecimal number", b'{"count": 0x10}', RejectionReason.NOT_JSON),
    ("nested too deeply", b'{"note": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", RejectionReason.NOT_JSON),
    (
        "nested too deeply as a feature",
        b'{"count": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        RejectionReason.NOT_JSON,
    ),
    ("a second object", b"{} {}", RejectionReason.TRAILING_DATA),
    ("a NUL at the end", b"{}\x00", RejectionReason.TRAILING_DATA),
    ("two lines", b'{"count": 1}\n{"count": 2}', RejectionReason.TRAILING_DATA),
    ("an array", b'[{"count": 1}]', RejectionReason.NOT_AN_OBJECT),
    ("a string", b'"flow"', RejectionReason.NOT_AN_OBJECT),
    ("a number", b"17", RejectionReason.NOT_AN_OBJECT),
    ("null", b"null", RejectionReason.NOT_AN_OBJECT),
    ("NaN alone", b"NaN", RejectionReason.NOT_AN_OBJECT),
    ("an empty object", b"{}", RejectionReason.NO_CONTRACT),
    ("an envelope alone", b'{"src_ip": "192.0.2.1", "sensor_id": "s"}', RejectionReason.NO_CONTRACT),
]


@pytest.mark.parametrize(("value", "reason"), [case[1:] for case in AS_BYTES], ids=[case[0] for case in AS_BYTES])
def test_a_value_that_is_no_flow_record(
    check_messages: CheckMessages, value: bytes | None, reason: RejectionReason
) -> None:
    (rejection,) = check_messages(value).rejected
    assert (rejection.reason, rejection.field, rejection.position) == (reason, "", 0)


def test_where_a_value_is_no_json_is_told(check_messages: CheckMessages) -> None:
    (rejection,) = check_messages(b'{"count": 01}').rejected
    assert rejection.detail == "Expecting ',' delimiter, at character 11"


def test_a_value_may_have_one_mebibyte_and_not_a_byte_more(check_messages: CheckMessages, attack_row: Row) -> None:
    def padded(length: int) -> bytes:
        text = json.dumps(attack_row | {"note": ""}).encode()
        return text.replace(b'"note": ""', b'"note": "' + b"x" * (length - len(text)) + b'"')

    result = check_messages(padded(MAX_VALUE_BYTES), padded(MAX_VALUE_BYTES + 1))
    assert result.accepted.tolist() == [0]
    assert [(r.position, r.reason) for r in result.rejected] == [(1, RejectionReason.TOO_LARGE)]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (b"[1]", "it is an array"),
        (b'"a"', "it is a string"),
        (b"1", "it is a number"),
        (b"1.5", "it is a number"),
        (b"true", "it is true or false"),
        (b"null", "it is null"),
    ],
)
def test_what_is_no_object_is_named(check_messages: CheckMessages, text: bytes, detail: str) -> None:
    (rejection,) = check_messages(text).rejected
    assert (rejection.reason, rejection.detail) == (RejectionReason.NOT_AN_OBJECT, detail)


FAULTS: list[tuple[str, Any, RejectionReason]] = [
    ("count", {"value": 1}, RejectionReason.NESTED_VALUE),
    ("count", [1], RejectionReason.NESTED_VALUE),
    ("service", ["http"], RejectionReason.NESTED_VALUE),
    ("src_ip", {"v4": "192.0.2.1"}, RejectionReason.NESTED_VALUE),
    ("Flow ID", [], RejectionReason.NESTED_VALUE),
    ("count", None, RejectionReason.MISSING_FEATURE),
    ("flag", None, RejectionReason.MISSING_FEATURE),
    ("count", "1", RejectionReason.WRONG_TYPE),
    ("count", "", RejectionReason.WRONG_TYPE),
    ("count", "NaN", RejectionReason.WRONG_TYPE),
    ("count", True, RejectionReason.WRONG_TYPE),
    ("count", False, RejectionReason.WRONG_TYPE),
    ("flag", True, RejectionReason.WRONG_TYPE),
    ("count", math.nan, RejectionReason.NAN),
    ("flag", math.nan, RejectionReason.NAN),
    ("count", -1, RejectionReason.OUT_OF_RANGE),
    ("count", -5e-324, RejectionReason.OUT_OF_RANGE),
    ("same_srv_rate", 1.0000000000000002, RejectionReason.OUT_OF_RANGE),
    ("count", math.inf, RejectionReason.OUT_OF_RANGE),
    ("count", -math.inf, RejectionReason.OUT_OF_RANGE),
    ("count", 10**400, RejectionReason.OUT_OF_RANGE),
    ("flag", 1.5, RejectionReason.OUT_OF_RANGE),
    ("flag", -1, RejectionReason.OUT_OF_RANGE),
    ("flag", math.inf, RejectionReason.OUT_OF_RANGE),
    ("flag", -math.inf, RejectionReason.OUT_OF_RANGE),
    ("flag", 10_000, RejectionReason.UNKNOWN_CATEGORY),
    ("flag", "sf", RejectionReason.UNKNOWN_CATEGORY),
    ("flag", "", RejectionReason.UNKNOWN_CATEGORY),
    ("service", "1", RejectionReason.UNKNOWN_CATEGORY),
    ("service", "\x00", RejectionReason.UNKNOWN_CATEGORY),
    ("service", "\ud800", RejectionReason.NOT_UTF8),
    ("src_ip", "\udfff", RejectionReason.NOT_UTF8),
]


@pytest.mark.parametrize(("field", "value", "reason"), FAULTS, ids=[f"{f} {v!r:.20} {r}" for f, v, r in FAULTS])
def test_a_fault_names_its_field_and_leaves_its_neighbours_alone(
    check_messages: CheckMessages, threat_row: Row, field: str, value: Any, reason: RejectionReason
) -> None:
    result = check_messages(threat_row, threat_row | {field: value}, threat_row)
    assert [(r.position, r.reason, r.field) for r in result.rejected] == [(1, reason, field)]
    assert len(result.accepted) == 2 and len(result.inputs[0].matrix) == 2


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [(" Destination Port", 0, 65535), ("Init_Win_bytes_forward", -1, 1e18), (" Flow Duration", 0, 1.7e308)],
)
def test_the_ends_of_a_range_are_inside(
    check_messages: CheckMessages, attack_row: Row, field: str, low: float, high: float
) -> None:
    assert check_messages(attack_row | {field: low}, attack_row | {field: high}).rejected == []
    below = check_messages(attack_row | {field: low - 0.5}).rejected
    assert [(r.reason, r.field) for r in below] == [(RejectionReason.OUT_OF_RANGE, field)]


def test_a_port_beyond_the_last_is_out_of_range(check_messages: CheckMessages, attack_row: Row) -> None:
    (rejection,) = check_messages(attack_row | {" Destination Port": 65536}).rejected
    assert (rejection.reason, rejection.field) == (RejectionReason.OUT_OF_RANGE, " Destination Port")
    assert rejection.detail == "65536 is above 65535"


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        ("src_bytes", -6, "-6 is below 0"),
        ("same_srv_rate", 1.5, "1.5 is above 1"),
        ("flag", 0.5, "0.5 is not a whole number"),
        ("src_bytes", -0.1, "-0.1 is below 0"),
        ("src_bytes", float("inf"), "Infinity is not finite"),
        ("src_bytes", float("-inf"), "-Infinity is not finite"),
    ],
)
def test_a_value_out_of_range_is_told_in_words(
    check_messages: CheckMessages, threat_row: Row, name: str, value: float, detail: str
) -> None:
    (rejection,) = check_messages(threat_row | {name: value}).rejected
    assert (rejection.reason, rejection.detail) == (RejectionReason.OUT_OF_RANGE, detail)


def test_a_missing_feature_is_that_of_the_contract_which_fits_best(
    check_messages: CheckMessages, attack_row: Row, threat_row: Row
) -> None:
    del attack_row["Active Mean"]
    del threat_row["count"]
    result = check_messages(attack_row | {"count": 1}, threat_row | {" Idle Std": 0})
    assert [(r.reason, r.field) for r in result.rejected] == [
        (RejectionReason.MISSING_FEATURE, "Active Mean"),
        (RejectionReason.MISSING_FEATURE, "count"),
    ]
    assert result.rejected[0].detail == "attack/v1 lacks 1 feature"


def test_a_row_that_fits_two_contracts_must_be_sound_for_both(
    check_messages: CheckMessages, attack_row: Row, threat_row: Row
) -> None:
    both = attack_row | threat_row
    assert len(check_messages(both).inputs) == 2
    (rejection,) = check_messages(both | {"count": -1}).rejected
    assert (rejection.reason, rejection.field) == (RejectionReason.OUT_OF_RANGE, "count")


def test_rows_without_an_active_model_wait_for_one(
    check_messages: CheckMessages, attack_row: Row, threat_row: Row
) -> None:
    others: tuple[dict[str, Encoders], ...] = ({}, {"threat/v2": {}})
    for active in others:
        for row in (attack_row, threat_row):
            (rejection,) = check_messages(row, active=active).rejected
            assert (rejection.reason, rejection.field) == (RejectionReason.NO_ACTIVE_MODEL, "")
    assert check_messages(attack_row | threat_row, active={"attack/v1": {}}).rejected == []


def test_an_infinite_feature_of_attack_v1_becomes_zero(check_messages: CheckMessages, attack_row: Row) -> None:
    rows = [attack_row | {"Flow Bytes/s": value} for value in (math.inf, -math.inf, 10**400)]
    texts = [json.dumps(attack_row).replace('"Flow Bytes/s": 1', f'"Flow Bytes/s": {t}') for t in ("1e400", "-1E+999")]
    result = check_messages(*rows, *(text.encode() for text in texts))
    assert result.rejected == []
    assert result.inputs[0].matrix[:, 8].tolist() == [0.0] * 5
    assert (result.inputs[0].matrix[:, 7] == 1.0).all()


def test_a_category_comes_as_its_string_or_as_its_number(
    check_messages: CheckMessages, threat_row: Row, starters: dict[str, Any]
) -> None:
    code = starters["threat/v1"]["flag"]["SF"]
    result = check_messages(threat_row, threat_row | {"flag": code}, threat_row | {"flag": int(code)})
    assert result.rejected == []
    assert (result.inputs[0].matrix == result.inputs[0].matrix[0]).all()
    assert result.inputs[0].matrix[0, 1] == code


def test_a_string_is_nothing_for_a_model_that_has_no_encoder(
    check_messages: CheckMessages, threat_row: Row, attack_row: Row
) -> None:
    coded = threat_row | {"service": 1, "flag": 2}
    result = check_messages(threat_row, coded, attack_row | threat_row, active={"threat/v1": {}, "attack/v1": {}})
    told = [(r.position, r.reason, r.field) for r in sorted(result.rejected, key=lambda r: r.position)]
    assert told == [(at, RejectionReason.UNKNOWN_CATEGORY, "service") for at in (0, 2)]
    assert all(math.isfinite(rows.matrix.sum()) for rows in result.inputs)


def test_what_is_a_category_for_one_model_may_be_a_number_for_another(threat_row: Row) -> None:
    """Of two makers that declare the same name, each model gets what it takes, or the row is rejected."""
    category, number = (
        contract_for(["k"], model_type, declared_features({"k": {"type": kind, "minimum": 0, "meaning": ""}}))
        for model_type, kind in zip(MODEL_TYPES[::-1], ("category", "number"), strict=True)
    )
    for order in ([category, number], [number, category]):
        decoded = MessageDecoder(vocabulary(order)).decode(pa.array([b'{"k": "a"}', b'{"k": 1}'], pa.binary()))
        result = check(decoded, {category.id: {"k": {"a": 1.0}}, number.id: {}})
        assert [(r.position, r.field) for r in result.rejected] == [(0, "k")]
        assert [rows.matrix.tolist() for rows in result.inputs] == [[[1.0]], [[1.0]]]


def test_an_unknown_category_of_a_contract_that_does_not_fit_is_not_stored(
    check_messages: CheckMessages, attack_row: Row
) -> None:
    result = check_messages(attack_row | {"flag": "no such flag"})
    assert result.rejected == []
    assert not math.isinf(result.matrix.min())


def test_a_batch_without_a_good_row_goes_through(check_messages: CheckMessages) -> None:
    values = [case[1] for case in AS_BYTES]
    result = check_messages(*values)
    assert [r.reason for r in sorted(result.rejected, key=lambda r: r.position)] == [case[2] for case in AS_BYTES]
    assert len(result.accepted) == 0 and result.inputs == ()


def test_an_empty_batch_goes_through(check_messages: CheckMessages) -> None:
    result = check_messages()
    assert (len(result.accepted), result.inputs, result.rejected) == (0, (), [])


def test_every_reason_has_its_meaning_written_down() -> None:
    assert set(MEANING) == set(RejectionReason)


def test_a_detail_is_short_and_can_be_stored(check_messages: CheckMessages, threat_row: Row) -> None:
    (rejection,) = check_messages(threat_row | {"count": "\ud800" + "x" * 100_000}).rejected
    assert rejection.reason == RejectionReason.WRONG_TYPE and len(rejection.detail.encode()) <= 300
