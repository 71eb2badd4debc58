"""Charts of a run as PNG: ROC, precision against recall, calibration, confusion. They need the research extra."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, RocCurveDisplay

from netheal.settings import PROJECT_ROOT
from research.datasets import Rows
from research.evaluation import Detector


def write(folder: Path, model: Detector, parts: Mapping[str, Rows], figures: Mapping[str, Any]) -> None:
    """Write `roc.png`, `precision_recall.png`, `calibration.png`, a line for each part, and a confusion for each."""
    if find_spec("matplotlib") is None:
        print("no charts: matplotlib is not installed, which `make dev` does")
        return
    os.environ.setdefault("MPLCONFIGDIR", str(PROJECT_ROOT / "var" / "cache" / "matplotlib"))
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    both = {name: rows for name, rows in parts.items() if 0 < (rows.labels != model.benign).sum() < len(rows)}
    scores = {name: model.scores(rows.values) for name, rows in both.items()}
    displays = {
        "roc": RocCurveDisplay.from_predictions,
        "precision_recall": PrecisionRecallDisplay.from_predictions,
        "calibration": CalibrationDisplay.from_predictions,
    }
    for title, draw in displays.items():
        figure = Figure(figsize=(7, 6), layout="constrained")
        axes = figure.subplots()
        for name, rows in both.items():
            draw(rows.labels != model.benign, scores[name], ax=axes, name=name)
        figure.savefig(folder / f"{title}.png", dpi=100)
    for number, (name, measured) in enumerate(figures.items()):
        figure = Figure(figsize=(9, 8), layout="constrained")
        axes = figure.subplots()
        shown = ConfusionMatrixDisplay(np.array(measured["confusion"]), display_labels=list(measured["classes"]))
        shown.plot(ax=axes, xticks_rotation="vertical")
        axes.set_title(name)
        figure.savefig(folder / f"confusion_{number}.png", dpi=100)
