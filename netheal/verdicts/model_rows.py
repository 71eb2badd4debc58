"""The rows of a table that one model takes, as the stream would give them to it."""

import numpy as np
import pyarrow as pa

from netheal.records.check import ContractRows, check
from netheal.records.decode_table import decode_table
from netheal.records.text_cells import NO_WORDS, Words
from netheal.records.vocabulary import vocabulary
from netheal.scoring.model import ServedModel


def model_rows(model: ServedModel, table: pa.Table, words: Words = NO_WORDS) -> ContractRows:
    """Decode and check the rows of a table under wire names; `rows` of the result are places in the table.

    A row that the stream would reject is left out: a missing feature, NaN, a value out of range, an unknown category.
    """
    contract = model.bundle.contract
    decoded = decode_table(vocabulary([contract]), table, words)
    checked = check(decoded, {contract.id: model.encoders})
    for taken in checked.inputs:
        return ContractRows(contract, decoded.position[checked.accepted[taken.rows]], taken.matrix)
    return ContractRows(contract, np.empty(0, np.int64), np.empty((0, len(contract.features))))
