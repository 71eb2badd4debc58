"""What the API takes and gives when a flow file is uploaded."""

from apiflask import Schema
from apiflask.fields import Boolean, DateTime, Dict, File, Float, Integer, List, Nested, Raw, String
from apiflask.validators import Length, Range

from api.schemas.counts import ClassCount
from api.schemas.pages import PageQuery, PageSchema
from netheal.contracts.verdict import ATTACK, CONFIDENCE, CONFIDENCE_KIND, IS_NOVEL, NOVELTY, SCORE
from netheal.uploads.flow_file import MAX_ROWS
from netheal.uploads.flow_file_response import MOST_REJECTED

_HOW = "send the CSV as the multipart field 'file': curl -F file=@flows.csv …"
SHOWN_ROWS = 10_000
_WRONG = {"required": _HOW, "invalid": _HOW}


class FlowFileForm(Schema):
    """A flow file."""

    file = File(  # type: ignore[no-untyped-call]
        required=True,
        error_messages=_WRONG,
        metadata={"description": "CSV with the columns of a contract, 100 MiB and 100,000 rows at most"},
    )


class FlowFileQuery(Schema):
    """How much of the answer."""

    limit = Integer(
        load_default=SHOWN_ROWS,
        validate=Range(0, MAX_ROWS),
        metadata={
            "description": "Predictions to show; counts are over all rows, and `next_cursor` asks for those left out"
        },
    )


class FlowRowsQuery(PageQuery):
    """Which rows of an uploaded file."""

    limit = Integer(load_default=1_000, validate=Range(1, SHOWN_ROWS))
    cursor = String(
        validate=Length(max=400),
        metadata={"description": "`next_cursor` of the answer to the upload, or of the page before"},
    )


class TrafficData(Schema):
    """A row of the file; `features` by the names of the contract."""

    id = Integer()
    features = Dict(keys=String(), values=Raw())
    source = String(metadata={"description": "upload"})
    batch_id = String()
    created_at = DateTime()


class FlowThreat(Schema):
    """What the threat detector says."""

    id = Integer()
    prediction_score = Float(metadata={"description": SCORE})
    is_attack = Boolean(metadata={"description": "Whether the score reaches the threshold"})
    threshold = Float()
    novelty = Float(allow_none=True, metadata={"description": NOVELTY})
    is_novel = Boolean(allow_none=True, metadata={"description": IS_NOVEL})
    model_version = String()
    model_hash = String()


class FlowAttack(Schema):
    """What the attack classifier says."""

    id = Integer()
    attack_type_encoded = Integer()
    attack_type_name = String()
    confidence = Float(metadata={"description": CONFIDENCE})
    novelty = Float(allow_none=True, metadata={"description": NOVELTY})
    is_novel = Boolean(allow_none=True, metadata={"description": IS_NOVEL})
    model_version = String()
    model_hash = String()


class FlowAction(Schema):
    """What the healing policy says."""

    id = Integer()
    action_type = String()
    action_description = String()
    action_params = Dict(keys=String(), values=String())
    status = String()


class FlowPrediction(Schema):
    """A row with its verdict; `line` is the line of the file that it begins in, the first being 1."""

    line = Integer(
        allow_none=True, metadata={"description": "null where the row is read back, which is in the file's order"}
    )
    traffic_data = Nested(TrafficData)
    is_attack = Boolean(metadata={"description": ATTACK})
    threat_prediction = Nested(FlowThreat, allow_none=True)
    attack_prediction = Nested(FlowAttack, allow_none=True)
    self_healing_action = Nested(FlowAction)


class RejectedRow(Schema):
    """A row that was not scored; `line` is the line of the file that it begins in, the first being 1."""

    line = Integer()
    reason = String()
    field = String()
    detail = String()


class FlowSummary(Schema):
    """Counts over all rows."""

    attacks = Integer(metadata={"description": ATTACK})
    normal = Integer()
    attacks_by_class = List(Nested(ClassCount))
    by_class = Dict(keys=String(), values=Integer(), metadata={"description": "Rows by class, BENIGN too"})
    by_action = Dict(keys=String(), values=Integer())
    by_reason = Dict(keys=String(), values=Integer())


class FlowModel(Schema):
    """The model that scored."""

    version = String()
    hash = String()
    contract = String()
    confidence_kind = String(allow_none=True, metadata={"description": CONFIDENCE_KIND})


class FlowRows(PageSchema):
    """Scored rows of an uploaded file, in the order of the file."""

    batch_id = String(required=True)
    total_rows = Integer(required=True, metadata={"description": "Scored and rejected"})
    predictions = List(Nested(FlowPrediction), required=True)


class FlowAnswer(Schema):
    """What became of the file."""

    message = String(metadata={"description": "Successfully processed 52113 rows, showing 10,000 of 52,113"})
    batch_id = String(metadata={"description": "20241201_143022_abc123"})
    total_rows = Integer()
    predictions = List(Nested(FlowPrediction))
    rejected_rows = Integer()
    rejected = List(
        Nested(RejectedRow), metadata={"description": f"The first {MOST_REJECTED:,}; GET /quarantine has them all"}
    )
    summary = Nested(FlowSummary)
    models = Dict(keys=String(), values=Nested(FlowModel), metadata={"description": "By model type"})
    policy_version = String()
    next_cursor = String(
        allow_none=True,
        metadata={
            "description": "Where predictions were left out: GET /uploads/{batch_id}/predictions?cursor=… has the rest"
        },
    )
