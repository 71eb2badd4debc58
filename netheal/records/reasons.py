"""Why a row is rejected: the reason codes of quarantine, each with its meaning."""

from dataclasses import dataclass
from enum import StrEnum


class RejectionReason(StrEnum):
    """Reason codes; the value is what is stored."""

    BAD_TIMESTAMP = "bad_timestamp"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TRAILING_DATA = "trailing_data"
    NOT_AN_OBJECT = "not_an_object"
    NESTED_VALUE = "nested_value"
    WRONG_TYPE = "wrong_type"
    NAN = "nan"
    MISSING_FEATURE = "missing_feature"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_CATEGORY = "unknown_category"
    NO_CONTRACT = "no_contract"
    NO_ACTIVE_MODEL = "no_active_model"
    MALFORMED_ROW = "malformed_row"


MEANING: dict[RejectionReason, str] = {
    RejectionReason.BAD_TIMESTAMP: "the record's own time is before 1970 or after 2261; it has that of its batch",
    RejectionReason.EMPTY: "the message has no value (a tombstone) or only white space",
    RejectionReason.TOO_LARGE: "the value is over 1 MiB",
    RejectionReason.NOT_UTF8: "the value is not UTF-8, or a string in it cannot be written as UTF-8",
    RejectionReason.NOT_JSON: "the value is not JSON",
    RejectionReason.TRAILING_DATA: "something follows the JSON value",
    RejectionReason.NOT_AN_OBJECT: "the value is JSON, but not an object",
    RejectionReason.NESTED_VALUE: "a feature or an envelope field is an object or an array",
    RejectionReason.WRONG_TYPE: "a feature is a string or a boolean where a number is due",
    RejectionReason.NAN: "a feature is NaN",
    RejectionReason.MISSING_FEATURE: "a feature of the contract that fits best is absent or null",
    RejectionReason.OUT_OF_RANGE: "a feature lies outside the contract's range",
    RejectionReason.UNKNOWN_CATEGORY: "a category that the active model's encoder does not know",
    RejectionReason.NO_CONTRACT: "not one feature of any contract is there",
    RejectionReason.NO_ACTIVE_MODEL: "no model is active for a contract that the row fits",
    RejectionReason.MALFORMED_ROW: "a row of an uploaded file has more or fewer cells than its header",
}


@dataclass(frozen=True, slots=True)
class Rejection:
    """Row `position` of a batch is rejected.

    `field` is the feature at fault, or `timestamp` for the record's own time; empty where it is the whole row.
    `contract_id` is the contract that the row does not satisfy; empty where that is not known.
    """

    position: int
    reason: RejectionReason
    field: str = ""
    detail: str = ""
    contract_id: str = ""
