"""Labelled rows of training files, each with what a fair split needs: its source, its group, its time."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder

from netheal.contracts import Contract
from research.connections import attack_names, encoded, matrix
from research.flows import METER, labelled_rows
from research.tables import Dropped, valid_rows

HELD_OUT = 0.2


@dataclass(frozen=True)
class Rows:
    """Unscaled rows, double [N, n], and of each its class or attack name, its source, its group, its time, all [N].

    Rows of one group belong on the same side of a split by group: the day of a flow, the service of a connection.
    `time` is datetime64[us], NaT where a file does not say it.
    """

    values: NDArray[np.float64]
    labels: NDArray[np.object_]
    source: NDArray[np.object_]
    group: NDArray[np.object_]
    time: NDArray[np.datetime64]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Rows":
        """The rows at these places, or where this is true."""
        return Rows(*(getattr(self, field.name)[which] for field in fields(self)))

    @property
    def inputs(self) -> NDArray[np.uint64]:
        """A hash of each row's inputs in float32, [N]: published samples repeat one another in lower precision."""
        frame = pd.DataFrame(self.values.astype(np.float32))
        return np.asarray(pd.util.hash_pandas_object(frame, index=False), dtype=np.uint64)


def joined(parts: Sequence[Rows]) -> Rows:
    """All rows, one part after the other."""
    return Rows(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Rows)))


def flow_rows(frame: pd.DataFrame, contract: Contract, path: Path, dropped: Dropped) -> Rows:
    """Rows of a frame of `read_flows` that the contract lets through; the source is the meter, the group the day."""
    values, labels, kept = labelled_rows(frame, contract, path.name, dropped)
    named = next((column for column in frame.columns if column.strip() == "Timestamp"), None)
    stamps = pd.Series(pd.NaT, index=frame.index) if named is None else frame[named]
    time = pd.to_datetime(stamps, errors="coerce", format="mixed").astype("datetime64[us]").iloc[kept]
    days = time.dt.strftime("%Y-%m-%d").fillna("").to_numpy(dtype=object)
    meters = frame[METER].iloc[kept].to_numpy(dtype=object)
    return Rows(values, labels, meters, days, time.to_numpy())


def connection_rows(
    frame: pd.DataFrame, encoders: dict[str, LabelEncoder], contract: Contract, path: Path, dropped: Dropped
) -> Rows:
    """Rows of a frame of `read_connections` whose categories are known and that the contract lets through.

    Labels are attack names, or `normal`; the source is the file, the group the service.
    """
    wanted = {name: encoder for name, encoder in encoders.items() if name in contract.names}
    coded, known = encoded(frame, wanted, path.name, dropped)
    values, valid = valid_rows(matrix(coded[known], contract.names), contract, path.name, dropped)
    kept = frame[known][valid]
    services = kept["service"].astype(str).to_numpy(dtype=object)
    source, time = np.full(len(kept), path.name, dtype=object), np.full(len(kept), "NaT", dtype="datetime64[us]")
    return Rows(values[valid], attack_names(kept), source, services, time)


def first_of_each(rows: Rows, dropped: Dropped) -> Rows:
    """Each pair of inputs and label once."""
    again = pd.DataFrame({"inputs": rows.inputs, "label": rows.labels}).duplicated().to_numpy()
    dropped.add("repeated with the same inputs and label", int(again.sum()))
    return rows.take(~again)


def split(rows: Rows, random_state: int) -> tuple[Rows, Rows]:
    """80 and 20 per cent of every label in every source; a training row whose inputs are held out is left out."""
    strata = pd.Series(rows.source).str.cat(rows.labels.astype(str), sep="\n")
    alone = (strata.map(strata.value_counts()) < 2).to_numpy()
    places = np.flatnonzero(~alone)
    seen, held = train_test_split(
        places, test_size=HELD_OUT, stratify=strata.iloc[places].to_numpy(), random_state=random_state
    )
    return apart(rows.take(np.concatenate([seen, np.flatnonzero(alone)])), rows.take(held))


def apart(seen: Rows, held: Rows) -> tuple[Rows, Rows]:
    """Both parts, without those rows to train on whose inputs are among those held out, whatever their label."""
    return seen.take(~np.isin(seen.inputs, held.inputs)), held


def split_by_time(rows: Rows) -> tuple[Rows, Rows]:
    """The last fifth by time of every label in every source is held out; rows without a time are trained on."""
    frame = pd.DataFrame({"source": rows.source, "label": rows.labels, "time": rows.time})
    rank = frame.groupby(["source", "label"])["time"].rank(method="first", pct=True)
    late = (rank > 1 - HELD_OUT).to_numpy()
    return apart(rows.take(~late), rows.take(late))
