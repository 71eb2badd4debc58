"""How much each training row counts."""

from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ClassWeights = Literal["none", "root", "balanced"]
CHOICES: tuple[ClassWeights, ...] = get_args(ClassWeights)
_POWER = {"root": 0.5, "balanced": 1.0}


def row_weights(labels: NDArray[np.object_], how: ClassWeights) -> NDArray[np.float64] | None:
    """Weights of rows by their labels [N], their mean 1; None where all count alike.

    With `balanced` every label counts the same in all, with `root` as much as the root of its number of rows.
    """
    if how == "none":
        return None
    names = pd.Series(labels.astype(str))
    weights = names.map(names.value_counts()).to_numpy(dtype=np.float64) ** -_POWER[how]
    return np.asarray(weights / weights.mean())
