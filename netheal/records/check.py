"""Decoded rows against the contracts: which fit, which are out of range, which no model takes."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from netheal.contracts import Contract, Feature
from netheal.records.decoded import DecodedFlows, FloatArray
from netheal.records.reasons import Rejection, RejectionReason
from netheal.records.vocabulary import Vocabulary

Encoders = Mapping[str, Mapping[str, float]]
"""Category feature -> its strings -> their codes."""

_NO_ENCODER = "the active model has no encoder for it: it takes codes only"

BoolArray = npt.NDArray[np.bool_]


def no_active_model(contract_id: str) -> str:
    """The detail of a row that fits a contract which no active model takes."""
    return f"activate a model for {contract_id}, then replay the row"


@dataclass(frozen=True)
class ContractRows:
    """The rows that go to one contract's model: `rows` int64 [k], into the accepted ones; `matrix` [k, n]."""

    contract: Contract
    rows: npt.NDArray[np.int64]
    matrix: FloatArray


@dataclass(frozen=True)
class Checked:
    """The rows that are accepted, and the rest with a reason.

    `accepted` int64 [m]: rows of the Decoded value. `matrix` double [m, features]: as decoded, categories
    encoded and infinite values zeroed where a contract says so. `inputs`: what each active model gets.
    """

    accepted: npt.NDArray[np.int64]
    matrix: FloatArray
    inputs: tuple[ContractRows, ...]
    rejected: list[Rejection]


def check(decoded: DecodedFlows, active: Mapping[str, Encoders]) -> Checked:
    """Split decoded rows into accepted and rejected ones.

    `active` maps the id of each contract that has an active model to that model's encoders. A row must
    fit at least one contract, satisfy every contract it fits, and at least one of these must be active.
    """
    vocabulary, faults = decoded.vocabulary, _Faults(decoded)
    matrix = decoded.matrix.copy()
    present = ~np.isnan(matrix)
    for name in vocabulary.categories:
        texts = decoded.categories[name]
        if texts is not None:
            present[:, vocabulary.place[name]] |= np.array([text is not None for text in texts], bool)
    fits = {c.id: present[:, vocabulary.places(c)].all(axis=1) for c in vocabulary.contracts}
    faults.no_fit(~np.logical_or.reduce(list(fits.values())), present, vocabulary)
    for contract in vocabulary.contracts:
        places = vocabulary.places(contract)
        if contract.id in active:
            _encode(matrix, decoded, contract, active[contract.id], fits[contract.id], faults)
        _check_ranges(matrix, contract, places, fits[contract.id], faults)
    served = [c for c in vocabulary.contracts if c.id in active]
    taken = np.logical_or.reduce([np.zeros(len(matrix), bool), *(fits[c.id] for c in served)])
    for contract in vocabulary.contracts:
        unserved = ~taken & fits[contract.id]
        faults.add(unserved, RejectionReason.NO_ACTIVE_MODEL, "", no_active_model(contract.id), contract.id)
    good = faults.good
    accepted = np.flatnonzero(good)
    inputs = []
    for contract in served:
        rows = np.flatnonzero(fits[contract.id][good])
        if len(rows):
            inputs.append(ContractRows(contract, rows, matrix[accepted[rows]][:, vocabulary.places(contract)]))
    return Checked(accepted, matrix[accepted], tuple(inputs), [*decoded.rejected, *faults.rejected])


class _Faults:
    """Rejections of one batch: the first fault of a row counts."""

    def __init__(self, decoded: DecodedFlows) -> None:
        self.good: BoolArray = np.ones(len(decoded.position), bool)
        self.rejected: list[Rejection] = []
        self._position = decoded.position

    def add(self, bad: BoolArray, reason: RejectionReason, field: str, detail: str, contract_id: str) -> None:
        """Reject the rows where `bad` holds, unless they are rejected already."""
        for row in np.flatnonzero(bad & self.good):
            self.reject(row, reason, field, detail, contract_id)

    def reject(self, row: np.int64, reason: RejectionReason, field: str, detail: str, contract_id: str = "") -> None:
        """Reject one row, which is not rejected yet."""
        self.rejected.append(Rejection(int(self._position[row]), reason, field, detail, contract_id))
        self.good[row] = False

    def no_fit(self, unfit: BoolArray, present: BoolArray, vocabulary: Vocabulary) -> None:
        """Reject rows that fit no contract, naming what the one that fits best lacks."""
        for row in np.flatnonzero(unfit):
            best = max(vocabulary.contracts, key=lambda c: present[row, vocabulary.places(c)].mean())
            there = present[row, vocabulary.places(best)]
            if not there.any():
                self.reject(row, RejectionReason.NO_CONTRACT, "", "no feature of any contract")
                continue
            missing = [name for name, has in zip(best.names, there, strict=True) if not has]
            lacks = f"{best.id} lacks {len(missing)} {'feature' if len(missing) == 1 else 'features'}"
            self.reject(row, RejectionReason.MISSING_FEATURE, missing[0], lacks, best.id)


def _encode(
    matrix: FloatArray,
    decoded: DecodedFlows,
    contract: Contract,
    encoders: Encoders,
    fit: BoolArray,
    faults: _Faults,
) -> None:
    """Put the codes of categories that came as strings into `matrix`; reject what the encoder does not know.

    A string is also rejected where the model has no encoder for it, or takes the feature as a number.
    """
    for feature in (f for f in contract.features if f.name in decoded.categories):
        texts = decoded.categories[feature.name]
        is_text = np.zeros(len(matrix), bool) if texts is None else np.array([text is not None for text in texts], bool)
        if not feature.category:
            told = f"{contract.id} takes a number"
            faults.add(fit & is_text, RejectionReason.WRONG_TYPE, feature.name, told, contract.id)
            continue
        if feature.name not in encoders:
            faults.add(fit & is_text, RejectionReason.UNKNOWN_CATEGORY, feature.name, _NO_ENCODER, contract.id)
            continue
        codes = encoders[feature.name]
        column = matrix[:, decoded.vocabulary.place[feature.name]]
        if texts is not None:
            column[is_text] = [codes.get(text, np.nan) for text in texts if text is not None]
        is_code = np.isfinite(column) & (column >= 0) & (column == np.floor(column))
        unknown = fit & (is_text | is_code) & ~np.isin(column, list(codes.values()))
        told = f"not among {len(codes)} known categories"
        faults.add(unknown, RejectionReason.UNKNOWN_CATEGORY, feature.name, told, contract.id)


def _check_ranges(matrix: FloatArray, contract: Contract, places: list[int], fit: BoolArray, faults: _Faults) -> None:
    """Zero infinite values where the contract says so, then reject rows with a value out of range."""
    rows = np.flatnonzero(fit)
    block = matrix[np.ix_(rows, places)]
    if contract.infinite == "zero" and np.isinf(block).any():
        block[np.isinf(block)] = 0.0
        matrix[np.ix_(rows, places)] = block
    low = np.array([f.minimum for f in contract.features])
    high = np.array([min(f.maximum, np.finfo(np.float64).max) for f in contract.features])
    outside = (block < low) | (block > high)
    categories = [at for at, f in enumerate(contract.features) if f.category]
    outside[:, categories] |= np.floor(block[:, categories]) < block[:, categories]
    for at in np.flatnonzero(outside.any(axis=1)):
        row, column = rows[at], int(outside[at].argmax())
        if faults.good[row]:
            feature = contract.features[column]
            told = _how_outside(float(block[at, column]), feature)
            faults.reject(row, RejectionReason.OUT_OF_RANGE, feature.name, told, contract.id)


def _how_outside(value: float, feature: Feature) -> str:
    if math.isinf(value):
        return f"{_as_json(value)} is not finite"
    if value < feature.minimum:
        return f"{_as_json(value)} is below {_as_json(feature.minimum)}"
    if value > feature.maximum:
        return f"{_as_json(value)} is above {_as_json(feature.maximum)}"
    return f"{_as_json(value)} is not a whole number"


def _as_json(value: float) -> str:
    """The shortest text that a message would have for this number."""
    return json.dumps(float(value)).removesuffix(".0")
