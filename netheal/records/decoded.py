"""Flow records as columns, whatever they were read from."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netheal.records.reasons import Rejection
from netheal.records.vocabulary import Vocabulary

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DecodedFlows:
    """The rows of a batch that are flow records, as columns of the vocabulary.

    `position` int64 [n]: their places in the batch. `matrix` double [n, features]:
    NaN where a feature is absent or a category came as a string. `categories`: category -> its strings,
    None where it came as a number or not at all (one None for the batch where none came as a string).
    `envelope`: one row each.
    """

    vocabulary: Vocabulary
    position: npt.NDArray[np.int64]
    matrix: FloatArray
    categories: dict[str, list[str | None] | None]
    envelope: pa.Table
    rejected: list[Rejection]


def split_category(column: list[Any]) -> tuple[FloatArray, list[str | None] | None]:
    """The codes and the strings of a category's cells; absent ones are NaN. None where no cell is a string."""
    if str not in set(map(type, column)):
        return np.array(column, dtype=np.float64), None
    texts = [value if isinstance(value, str) else None for value in column]
    codes = [math.nan if isinstance(value, str) else value for value in column]
    return np.array(codes, dtype=np.float64), texts
