"""What the API takes and gives when a flow file is uploaded."""

from apiflask import Schema
from apiflask.fields import Boolean, DateTime, Dict, File, Float, Integer, List, Nested, Raw, String
from apiflask.validators import Range

from api.schemas.counts import ClassCount
from netheal.contracts.verdict import ATTACK, CONFIDENCE, CONFIDENCE_KIND, IS_NOVEL, NOVELTY, SCORE
from netheal.uploads.flow_file import MAX_ROWS

_HOW = "send the CSV as the multipart field 'file': curl -F file=@flows.csv …"
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
        load_default=1_000,
        validate=Range(0, MAX_ROWS),
        metadata={"description": "Predictions to show; counts are over all rows"},
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

    line = Integer()
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


class FlowAnswer(Schema):
    """What became of the file."""

    message = String()
    batch_id = String(metadata={"description": "20241201_143022_abc123"})
    total_rows = Integer()
    predictions = List(Nested(FlowPrediction))
    rejected_rows = Integer()
    rejected = List(Nested(RejectedRow), metadata={"description": "The first 1,000"})
    summary = Nested(FlowSummary)
    models = Dict(keys=String(), values=Nested(FlowModel), metadata={"description": "By model type"})
    policy_version = String()
