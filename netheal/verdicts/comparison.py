"""What a model would say of stored rows, beside what another says."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netheal.contracts.contract import Feature
from netheal.scoring.model import ServedModel
from netheal.store.schema import category_column

Answers = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Comparison:
    """Of `rows` rows that both models take, `differing` get another class or another yes or no."""

    rows: int
    differing: int


def compare(model: ServedModel, other: ServedModel, rows: pa.Table) -> Comparison:
    """Both models on rows in the columns of `columns_of` each; raises ModelFailure where one fails."""
    first, second = _matrix(model, rows), _matrix(other, rows)
    both = ~(np.isnan(first).any(axis=1) | np.isnan(second).any(axis=1))
    answers = [_answers(of, matrix[both]) for of, matrix in ((model, first), (other, second))]
    return Comparison(int(both.sum()), int((answers[0] != answers[1]).sum()))


def columns_of(model: ServedModel) -> list[str]:
    """The stored columns that the model's features are in."""
    features = model.bundle.contract.features
    return [f.column for f in features] + [category_column(f.column) for f in features if f.category]


def _answers(model: ServedModel, features: npt.NDArray[np.float64]) -> Answers:
    if model.bundle.manifest.model_type == "threat_detector":
        return (model.threat_scores(features) >= model.threshold).astype(np.int16)
    return model.attack_scores(features).class_id


def _matrix(model: ServedModel, rows: pa.Table) -> npt.NDArray[np.float64]:
    """Features in the order of the model's contract; NaN where a row lacks one or has a category it does not know."""
    columns = [_values(model, feature, rows) for feature in model.bundle.contract.features]
    return np.column_stack(columns) if columns else np.empty((rows.num_rows, 0))


def _values(model: ServedModel, feature: Feature, rows: pa.Table) -> npt.NDArray[np.float64]:
    stored: npt.NDArray[np.float64] = rows[feature.column].to_numpy().astype(np.float64)
    codes = model.encoders.get(feature.name)
    if not feature.category or codes is None:
        return stored
    texts = rows[category_column(feature.column)].to_pylist()
    # A number on the wire was stored as it came; a string is coded as this model codes it.
    coded = [value if text is None else codes.get(text, np.nan) for text, value in zip(texts, stored, strict=True)]
    return np.array(coded, dtype=np.float64)
