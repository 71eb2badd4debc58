"""Stored rows as two models take them, for a look at what each would say of them."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netheal.contracts import Contract, wire_contracts
from netheal.contracts.contract import Feature
from netheal.contracts.schema import category_column
from netheal.scoring.model import ServedModel

Matrix = npt.NDArray[np.float64]


def has_stored_rows(contract: Contract) -> bool:
    """Whether stored rows have all features of a contract: the features of the shipped ones are stored, no others."""
    stored = {feature.column for known in wire_contracts() for feature in known.features}
    return all(feature.column in stored for feature in contract.features)


def common_rows(model: ServedModel, other: ServedModel, rows: pa.Table) -> tuple[Matrix, Matrix]:
    """The rows, in the columns of `columns_of` each, that both models take: as the one and as the other takes them."""
    first, second = _matrix(model, rows), _matrix(other, rows)
    both = ~(np.isnan(first).any(axis=1) | np.isnan(second).any(axis=1))
    return first[both], second[both]


def columns_of(model: ServedModel) -> list[str]:
    """The stored columns that the model's features are in."""
    features = model.bundle.contract.features
    return [f.column for f in features] + [category_column(f.column) for f in features if f.category]


def _matrix(model: ServedModel, rows: pa.Table) -> Matrix:
    """Features in the order of the model's contract; NaN where a row lacks one or has a category it does not know."""
    columns = [_values(model, feature, rows) for feature in model.bundle.contract.features]
    return np.column_stack(columns) if columns else np.empty((rows.num_rows, 0))


def _values(model: ServedModel, feature: Feature, rows: pa.Table) -> Matrix:
    stored: Matrix = rows[feature.column].to_numpy().astype(np.float64)
    codes = model.encoders.get(feature.name)
    if not feature.category or codes is None:
        return stored
    texts = rows[category_column(feature.column)].to_pylist()
    # A number on the wire was stored as it came; a string is coded as this model codes it.
    coded = [value if text is None else codes.get(text, np.nan) for text, value in zip(texts, stored, strict=True)]
    return np.array(coded, dtype=np.float64)
