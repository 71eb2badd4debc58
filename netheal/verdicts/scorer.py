"""Check, score, decide: decoded rows in, verdicts and rejected rows out. Pure: it writes nothing."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netheal.contracts import attack_classes
from netheal.contracts.event_id import event_id
from netheal.contracts.schema import category_column, rejected_schema, verdict_schema_of
from netheal.contracts.verdict import NO_CLASS, is_attack, is_attack_score
from netheal.healing.policy import Decisions, Policy
from netheal.records.check import Checked, ContractRows, check
from netheal.records.decoded import DecodedFlows
from netheal.records.reasons import Rejection
from netheal.scoring.model import Novelty, ServedModel

Columns = dict[str, pa.Array]
_TEXT = pa.dictionary(pa.int8(), pa.string())
_MODEL_TEXTS = dict.fromkeys(
    (
        "threat_model_version",
        "threat_model_hash",
        "attack_class",
        "attack_model_version",
        "attack_model_hash",
    ),
    _TEXT,
)
"""The type of columns that are there only where a model took a row."""
_STATUS = "logged"

RawRows = Callable[[pa.Array], Columns]
"""Places of rows int64 [k] -> `key` and `value` binary [k]: what is kept of these rows for a replay."""


@dataclass(frozen=True)
class ScoredBatch:
    """`verdicts` in `verdict_schema_of` the contracts, `rejected` in `rejected_schema()`.

    `rule` int16: each verdict's rule. `inputs` are what each model got, their `rows` places in `verdicts`; `rejections`
    are the reasons of rejected rows that were decoded or not, in no order.
    """

    verdicts: pa.Table
    rejected: pa.Table
    rule: npt.NDArray[np.int16]
    inputs: tuple[ContractRows, ...] = ()
    rejections: Sequence[Rejection] = ()


class Provenance(Protocol):
    """Where the n rows of a batch come from."""

    @property
    def columns(self) -> Columns:
        """What verdicts and rejected rows have of it: `event_id`, `recorded_at`, `topic` and so on, each [n]."""


@dataclass(frozen=True)
class Origin:
    """Where the n rows of a batch come from.

    `partition` int32 [n], `offset` int64 [n], `recorded_at` microseconds UTC [n]. `offset_base` is added to offsets
    in event ids: 0 until a topic was deleted and recreated.
    """

    topic: str
    partition: pa.Array
    offset: pa.Array
    recorded_at: pa.Array
    batch_id: int
    offset_base: int = 0

    @cached_property
    def columns(self) -> Columns:
        """As verdicts and rejected rows have them."""
        rows = len(self.offset)
        return {
            "event_id": pa.array(event_id(self.partition.to_numpy(), self.offset.to_numpy(), self.offset_base)),
            "recorded_at": self.recorded_at,
            "topic": constant(self.topic, rows),
            "partition": self.partition,
            "offset": self.offset,
            "batch_id": pa.array(np.full(rows, self.batch_id)),
        }


@dataclass(frozen=True)
class Scorer:
    """Scores rows with some models, whatever the rows were read from, and decides by one policy."""

    models: Mapping[str, ServedModel]
    """Contract id -> the active model that takes it."""
    policy: Policy

    def score(self, decoded: DecodedFlows, origin: Provenance, raw_rows: RawRows) -> ScoredBatch:
        """Check, score and decide; every row of `origin` is in exactly one of the two results.

        Raises ModelFailure where a model fails; never raises for what a row holds.
        """
        encoders = {contract_id: model.encoders for contract_id, model in self.models.items()}
        checked = check(decoded, encoders)
        place = pa.array(decoded.position[checked.accepted])
        columns = {name: array.take(place) for name, array in origin.columns.items()}
        columns |= _features(decoded, checked)
        predictions, class_id, threat_attack = self._predict(checked)
        decisions = self.policy.decide(class_id, threat_attack, columns["src_ip"])
        columns |= predictions | self._actions(decisions)
        columns["is_attack"] = pa.array(is_attack(threat_attack, class_id))
        verdicts = _table(columns, verdict_schema_of(decoded.vocabulary.contracts), len(place))
        rejected = rejected_rows(origin, checked.rejected, raw_rows)
        return ScoredBatch(verdicts, rejected, decisions.rule, checked.inputs, checked.rejected)

    def _predict(self, checked: Checked) -> tuple[Columns, npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
        rows = len(checked.accepted)
        class_id = np.full(rows, NO_CLASS, dtype=np.int16)
        threat_attack = np.zeros(rows, dtype=bool)
        columns: Columns = {}
        for part in checked.inputs:
            model = self.models[part.contract.id]
            here = np.zeros(rows, dtype=bool)
            here[part.rows] = True
            if part.contract.model_type == "threat_detector":
                scores = model.threat_scores(part.matrix)
                threat_attack[part.rows] |= is_attack_score(scores, model.threshold)
                columns |= _threat_columns(scores, here, model)
                columns |= _novelty_columns("threat", model.threat_novelty(part.matrix, scores), here)
            else:
                attack = model.attack_scores(part.matrix)
                class_id[part.rows] = attack.class_id
                columns |= _attack_columns(class_id, _spread(attack.confidence, here), here, model)
                columns |= _novelty_columns("attack", model.attack_novelty(part.matrix, attack.confidence), here)
        return columns, class_id, threat_attack

    def _actions(self, decisions: Decisions) -> Columns:
        rule = decisions.rule
        description, params = list(self._rule_texts["description"]), list(self._rule_texts["params"])
        text_of = rule.astype(np.int32)
        known: dict[tuple[int, str], int] = {}
        aimed = zip(decisions.aimed, rule[decisions.aimed].tolist(), decisions.targets, strict=True)
        for row, at, address in aimed:
            if (at, address) not in known:
                known[at, address] = len(description)
                description.append(self.policy.rules[at].describe(address))
                params.append(json.dumps(self.policy.rules[at].fill(address)))
            text_of[row] = known[at, address]
        return {
            "action_type": _choose(rule, self._rule_texts["action_type"]),
            "action_description": _choose(text_of, description),
            "action_params": _choose(text_of, params),
            "action_status": constant(_STATUS, len(rule)),
            "policy_version": constant(self.policy.version, len(rule)),
        }

    @cached_property
    def _rule_texts(self) -> dict[str, list[str]]:
        return {
            "action_type": [rule.action_type for rule in self.policy.rules],
            "description": [rule.description for rule in self.policy.rules],
            "params": [json.dumps(rule.params) for rule in self.policy.rules],
        }


def no_raw_rows(place: pa.Array) -> Columns:
    """`RawRows` that keeps nothing, where rejected rows are not stored."""
    return {name: pa.nulls(len(place), pa.binary()) for name in ("key", "value")}


def constant(text: str | None, rows: int) -> pa.Array:
    """The same string in every row, stored once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array([text], pa.string()))


def _features(decoded: DecodedFlows, checked: Checked) -> Columns:
    columns: Columns = {}
    take = pa.array(checked.accepted)
    for name, at in decoded.vocabulary.place.items():
        column = decoded.vocabulary.features[at].column
        columns[column] = pa.array(checked.matrix[:, at], from_pandas=True)
        texts = decoded.categories.get(name)
        if texts is not None:
            columns[category_column(column)] = pa.array(texts, pa.string()).take(take)
    for field in decoded.envelope.column_names:
        columns[field] = decoded.envelope.column(field).combine_chunks().take(take)
    return columns


def _choose(at: npt.NDArray[np.integer[Any]], texts: list[str]) -> pa.DictionaryArray:
    """Row by row the text at that place."""
    return pa.DictionaryArray.from_arrays(pa.array(at), pa.array(texts, pa.string()))


def _where(text: str, here: npt.NDArray[np.bool_]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(here), np.int8), mask=~here), pa.array([text]))


def _spread[T: np.generic](values: npt.NDArray[T], here: npt.NDArray[np.bool_]) -> npt.NDArray[T]:
    full = np.zeros(len(here), values.dtype)
    full[here] = values
    return full


def _threat_columns(scores: npt.NDArray[np.float64], here: npt.NDArray[np.bool_], model: ServedModel) -> Columns:
    full = _spread(scores, here)
    return {
        "threat_score": pa.array(full, mask=~here),
        "threat_threshold": pa.array(np.full(len(here), model.threshold), mask=~here),
        "threat_is_attack": pa.array(is_attack_score(full, model.threshold), mask=~here),
        "threat_model_version": _where(model.bundle.manifest.version, here),
        "threat_model_hash": _where(model.bundle.hash, here),
    }


def _attack_columns(
    class_id: npt.NDArray[np.int16],
    confidence: npt.NDArray[np.float64],
    here: npt.NDArray[np.bool_],
    model: ServedModel,
) -> Columns:
    names = pa.array(attack_classes().names)
    return {
        "attack_class_id": pa.array(class_id, mask=~here),
        "attack_class": pa.DictionaryArray.from_arrays(pa.array(class_id.astype(np.int8), mask=~here), names),
        "attack_confidence": pa.array(confidence, mask=~here),
        "attack_model_version": _where(model.bundle.manifest.version, here),
        "attack_model_hash": _where(model.bundle.hash, here),
    }


def _novelty_columns(prefix: str, found: Novelty | None, here: npt.NDArray[np.bool_]) -> Columns:
    """None where the model cannot say."""
    if found is None:
        return {}
    columns = {f"{prefix}_novelty": pa.array(_spread(found.value, here), mask=~here)}
    if found.is_novel is not None:
        columns[f"{prefix}_is_novel"] = pa.array(_spread(found.is_novel, here), mask=~here)
    return columns


def _table(columns: Columns, schema: pa.Schema, rows: int) -> pa.Table:
    """A table of `schema`; strings may be dictionaries, absent columns are null.

    A column has the same type whatever rows there are: one file takes the tables of a whole task.
    """
    arrays = {f.name: columns.get(f.name, pa.nulls(rows, _MODEL_TEXTS.get(f.name, f.type))) for f in schema}
    return pa.table({name: array if isinstance(array, pa.Array) else pa.array(array) for name, array in arrays.items()})


def rejected_rows(origin: Provenance, rejections: list[Rejection], raw_rows: RawRows) -> pa.Table:
    """Rejections of rows of `origin`, as they are stored."""
    place = pa.array([r.position for r in rejections], pa.int64())
    columns = {name: array.take(place) for name, array in origin.columns.items()} | raw_rows(place)
    columns["reason"] = pa.array([r.reason.value for r in rejections], pa.string())
    columns["field"] = pa.array([r.field for r in rejections], pa.string())
    columns["detail"] = pa.array([r.detail for r in rejections], pa.string())
    return _table(columns, rejected_schema(), len(rejections))
