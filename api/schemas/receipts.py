"""What a receipt says: a stored verdict scored again, and why its models answer as they do."""

from apiflask import Schema
from apiflask.fields import Boolean, Dict, Float, Integer, List, Nested, Raw, String
from apiflask.validators import OneOf

from netheal.contracts.verdict import CONFIDENCE_KIND, CONFIDENCE_KINDS

_OUTCOME = "`equal`: scoring again gives the stored verdict, bit by bit; `different`: it does not"
_METHOD = (
    "`tree_path`: the path through a single tree. `path_contributions`: what each feature changes along the paths of a"
    " forest, from the mean at the roots. `sampled_orders`: what each feature changes when it replaces the one of a"
    " baseline row, averaged over random orders"
)


class ReceiptDifference(Schema):
    """A column whose stored value is not the one that scoring again gives."""

    column = String(required=True)
    stored = Raw(required=True, allow_none=True)
    rescored = Raw(required=True, allow_none=True)


class _OwnValue(Schema):
    """A feature of the row, in its own unit."""

    feature = String(required=True)
    unit = String(required=True, metadata={"description": "Empty where it has none, `us` are microseconds"})
    value = Float(required=True)
    category = String(required=True, allow_none=True, metadata={"description": "What the code `value` stands for"})


class PathCondition(_OwnValue):
    """What the row's value had to be to take the path, exactly."""

    operator = String(required=True, validate=OneOf(("<=", ">", ">=", "<", "any")))
    threshold = Float(required=True)
    text = String(required=True, metadata={"description": "For a person: the threshold may be rounded"})


class Contribution(_OwnValue):
    """What a feature adds to the baseline; the baseline's own value where features were replaced."""

    baseline_value = Float(required=True, allow_none=True)
    baseline_category = String(required=True, allow_none=True)
    contribution = Float(required=True)


class Contributions(Schema):
    """Parts whose sum is `answer - baseline`, the largest first; features that add nothing are left out."""

    baseline = Float(required=True)
    answer = Float(required=True)
    sum = Float(required=True)
    error = Float(required=True, metadata={"description": "By how much baseline and parts miss the answer"})
    tolerance = Float(required=True)
    complete = Boolean(required=True, metadata={"description": "Whether the error is within the tolerance"})
    orders = Integer(required=True, allow_none=True)
    parts = List(Nested(Contribution), required=True)


class ModelExplanation(Schema):
    """Why a model answers as it does; what its kind of model does not have is null."""

    method = String(
        required=True,
        validate=OneOf(("tree_path", "path_contributions", "sampled_orders")),
        metadata={"description": _METHOD},
    )
    of = String(required=True, metadata={"description": "What is explained: `score`, or the confidence in a class"})
    answer = Float(required=True)
    threshold = Float(required=True, allow_none=True)
    path = List(
        Nested(PathCondition), required=True, allow_none=True, metadata={"description": "The first 100, in order"}
    )
    path_length = Integer(required=True, allow_none=True)
    path_in_short = List(
        Nested(PathCondition),
        required=True,
        allow_none=True,
        metadata={"description": "The whole path: of each feature the tightest limits"},
    )
    leaf = Dict(
        required=True,
        allow_none=True,
        keys=String(),
        values=Float(),
        metadata={"description": "Shares of the classes in the leaf, as far as the served model keeps them"},
    )
    votes = Dict(required=True, allow_none=True, keys=String(), values=Integer())
    attribution = Nested(Contributions, required=True, allow_none=True)


class ReceiptModel(Schema):
    """A model that scored the row; `explanation` is null where it would not take the row as it is stored."""

    model_type = String(required=True)
    version = String(required=True)
    hash = String(required=True)
    contract = String(required=True)
    confidence_kind = String(
        required=True,
        allow_none=True,
        validate=OneOf((*CONFIDENCE_KINDS, None)),
        metadata={"description": CONFIDENCE_KIND},
    )
    explanation = Nested(ModelExplanation, required=True, allow_none=True)


class Receipt(Schema):
    """A stored verdict, verified and explained."""

    event_id = Integer(required=True)
    outcome = String(required=True, validate=OneOf(("equal", "different")), metadata={"description": _OUTCOME})
    recorded_at = String(required=True)
    is_attack = Boolean(required=True, allow_none=True)
    policy_version = String(required=True, allow_none=True)
    columns_compared = Integer(required=True)
    differences = List(Nested(ReceiptDifference), required=True)
    rejection = String(
        required=True, allow_none=True, metadata={"description": "Why the row would be rejected now, if it would be"}
    )
    models = List(Nested(ReceiptModel), required=True)
