"""Stored rows as two models take them, for a look at what each would say of them."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netheal.contracts.schema import category_column
from netheal.records.stored_columns import wire_columns
from netheal.records.vocabulary import vocabulary
from netheal.scoring.model import ServedModel
from netheal.verdicts.model_rows import model_rows

Matrix = npt.NDArray[np.float64]


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
    """Features in the order of the model's contract; NaN in a row that the model does not take."""
    contract = model.bundle.contract
    categories = [feature for feature in contract.features if feature.category]
    # Without an encoder of its own, the model is shown the codes that the active one gave.
    bare = [category_column(feature.column) for feature in categories if feature.name not in model.encoders]
    taken = model_rows(model, *wire_columns(rows.drop_columns(bare), vocabulary([contract])))
    matrix = np.full((rows.num_rows, len(contract.features)), np.nan)
    matrix[taken.rows] = taken.matrix
    return matrix
