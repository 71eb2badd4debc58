"""How far windows of real traffic lie from training, by the stream's own counts: where the thresholds come from.

    python -m research.drift_thresholds ../shared/data

Each line is of windows of one size drawn without replacement: of rows that were held out, of a source that training
lacked, of another flow meter.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netheal.contracts import Contract, attack_classes, contract
from netheal.drift.window import ALARM_PSI, NOTE_PSI
from research import card
from research.connections import fit_encoders, read_connections
from research.datasets import Rows, connection_rows, first_of_each, flow_rows, joined, split
from research.flows import read_flows
from research.histograms import drift_of, features_alone
from research.tables import Dropped

SIZES = (1_000, 10_000)
_SEED = 42


@dataclass(frozen=True)
class Part:
    """Rows [N, n] to be looked at in windows, and the rows [M, n] that a model would have been trained on."""

    training: str
    traffic: str
    seen: NDArray[np.float64]
    rows: NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of docs/drift.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="FOLDER", type=Path, help="with cic-ids2017/ and nsl-kdd/")
    options = parser.parse_args(arguments)
    if not (options.data / "cic-ids2017").is_dir() or not (options.data / "nsl-kdd").is_dir():
        parser.error(f"{options.data} has no folders cic-ids2017 and nsl-kdd")
    for contract_id, parts in (("attack/v1", parts_of_flows), ("threat/v1", parts_of_connections)):
        wanted = contract(contract_id)
        print(f"\n{contract_id}\n\n" + table(parts(options.data, wanted), wanted))


def table(parts: Iterable[Part], wanted: Contract) -> str:
    """A line for each part and size of window, as Markdown."""
    lines = [
        [part.training, part.traffic, *found]
        for part in parts
        for size in SIZES
        if (found := _line(mean_psi_of_windows(part, wanted, size), size))
    ]
    head = ["trained on", "traffic", "rows", "windows", "least mean PSI", "largest", "notes", "alarms"]
    return card.table(head, lines)


def mean_psi_of_windows(part: Part, wanted: Contract, size: int) -> NDArray[np.float64]:
    """The mean PSI of each window of `size` rows of a part, in random order; rows that fill no window are left out."""
    histograms = features_alone(part.seen, wanted)
    order = np.random.default_rng(_SEED).permutation(len(part.rows))
    windows = (part.rows[order[at : at + size]] for at in range(0, len(order) - size + 1, size))
    return np.array([drift_of(rows, histograms).mean_psi for rows in windows])


def _line(found: NDArray[np.float64], size: int) -> list[str]:
    if not len(found):
        return []
    alarms = found >= ALARM_PSI
    notes = (found >= NOTE_PSI) & ~alarms
    return [
        f"{size:,}",
        str(len(found)),
        f"{found.min():.3f}",
        f"{found.max():.3f}",
        str(notes.sum()),
        str(alarms.sum()),
    ]


def parts_of_flows(data: Path, wanted: Contract) -> Iterator[Part]:
    """Of CIC-IDS2017: held out, sources left out, the other meter; then by a model of both meters."""
    folder, dropped = data / "cic-ids2017", Dropped()
    names = ("reference_12006.csv.gz", "original_90k.parquet", "improved_25k.parquet")
    frames = {name: read_flows(folder / name) for name in names}
    reference, original, improved = (flow_rows(frames[name], wanted, folder / name, dropped) for name in names)
    both = first_of_each(joined([reference, original]), dropped)
    seen, held = split(both, _SEED)
    yield Part("original meter", "original meter, held out", seen.values, held.values)
    yield from _left_out(frames["original_90k.parquet"], reference, wanted)
    benign = improved.labels == attack_classes().benign
    yield Part("original meter", "other meter, benign", seen.values, improved.values[benign])
    yield Part("original meter", "other meter", seen.values, improved.values)
    mixed_seen, mixed_held = split(first_of_each(joined([both, improved]), dropped), _SEED)
    for meter in np.unique(mixed_held.source.astype(str)):
        rows = mixed_held.values[mixed_held.source == meter]
        yield Part("both meters", f"{meter} alone, held out", mixed_seen.values, rows)


def _left_out(frame: pd.DataFrame, reference: Rows, wanted: Contract) -> Iterator[Part]:
    """For each source of the original meter's rows with a window of rows: trained on all others."""
    sources = frame["source"].astype(str)
    by_source = {
        name: flow_rows(frame[sources == name], wanted, Path(name), Dropped()) for name in sorted(set(sources))
    }
    for name, rows in by_source.items():
        others = joined([reference, *(part for other, part in by_source.items() if other != name)])
        if len(rows) >= SIZES[0]:
            yield Part("original meter, without this source", name, others.values, rows.values)


def parts_of_connections(data: Path, wanted: Contract) -> Iterator[Part]:
    """Of NSL-KDD: held out, and the test file, whose attacks are partly of other kinds."""
    paths = [data / "nsl-kdd" / name for name in ("KDDTrain+.txt.gz", "KDDTest+.txt.gz")]
    frames = [read_connections(path) for path in paths]
    encoders, dropped = fit_encoders(frames[0]), Dropped()
    train, test = (
        connection_rows(frame, encoders, wanted, path, dropped) for frame, path in zip(frames, paths, strict=True)
    )
    seen, held = split(first_of_each(train, dropped), _SEED)
    yield Part("KDDTrain+", "KDDTrain+, held out", seen.values, held.values)
    yield Part("KDDTrain+", "KDDTest+, normal", seen.values, test.values[test.labels == "normal"])
    yield Part("KDDTrain+", "KDDTest+", seen.values, test.values)


if __name__ == "__main__":
    main()
