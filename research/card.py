"""A model card in Markdown, every figure in it from the run that made the model."""

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from netheal.settings import PROJECT_ROOT
from research.tables import DataFile, Dropped

_DATA = Path(__file__).parent / "data"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def data_section(files: Sequence[DataFile], dropped: Dropped) -> str:
    """Which files, and which of their rows were left out."""
    named = [[file.role, f"`{file.name}`", f"{file.rows:,}", f"`{file.sha256}`"] for file in files]
    text = "## Data\n\n" + table(["role", "file", "rows", "sha256"], named)
    if not dropped.counts:
        return text + "\n\nNo row was left out."
    counts = [[reason, f"{rows:,}"] for reason, rows in dropped.counts.items()]
    return text + "\n\nRows left out:\n\n" + table(["reason", "rows"], counts)


def figures_section(title: str, figures: Mapping[str, Any]) -> str:
    """Overall figures, those of each class, and the confusion matrix."""
    overall = [
        ["rows", f"{figures['rows']:,}"],
        ["accuracy", f"{figures['accuracy']:.4f}"],
        ["macro-F1 over classes with rows", f"{figures['macro_f1']:.4f}"],
        ["false alarms per 100,000 benign rows", f"{figures['false_alarms_per_100k_benign']:,.0f}"],
        ["attack rows called some attack", f"{figures['detected']:.4f}"],
    ]
    if figures.get("auc") is not None:
        overall.append(["area under the ROC curve", f"{figures['auc']:.4f}"])
        overall.append(["average precision", f"{figures['average_precision']:.4f}"])
    classes = [
        [name, one["rows"], f"{one['precision']:.4f}", f"{one['recall']:.4f}", f"{one['f1']:.4f}"]
        for name, one in figures["classes"].items()
    ]
    names = list(figures["classes"])
    matrix = [[name, *row] for name, row in zip(names, figures["confusion"], strict=True)]
    return "\n\n".join(
        [
            f"## {title}",
            table(["figure", "value"], overall),
            table(["class", "rows", "precision", "recall", "F1"], classes),
            "Confusion matrix (true class by line, predicted by column):",
            table(["", *names], matrix),
        ]
    )


def parity_section(parity: Mapping[str, Any]) -> str:
    """How the served ONNX graph compares with the original model."""
    return (
        "## Parity of the served form\n\n"
        f"`model.onnx` against the original model on {parity['rows']:,} real rows: "
        f"{parity['label_mismatches']} labels differ, largest difference of scores "
        f"{parity['max_abs_error']:.2e} (allowed: 1e-06)."
    )


def text_section(title: str, name: str) -> str:
    """A text of `research/data` under a title."""
    return f"## {title}\n\n" + (_DATA / f"{name}.md").read_text("utf-8").strip()


def command_section(script: str, arguments: Sequence[str], packages: Sequence[str]) -> str:
    """The command line as it runs in the checkout, and the versions that ran it."""
    command = shlex.join([".venv/bin/python", f"research/{script}", *_shown(arguments)])
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"## Made by\n\n```\n{command}\n```\n\nPython {sys.version.split()[0]}, {versions}."


def _shown(arguments: Sequence[str]) -> Iterator[str]:
    """Files beside or below the checkout as seen from it, others by name; where it was written is left out."""
    words = iter(arguments)
    for word in words:
        path = Path(word).resolve()
        if word in ("--output-dir", "--output_dir"):
            next(words)
        elif not path.is_file():
            yield word
        elif path.is_relative_to(PROJECT_ROOT.parent):
            yield str(path.relative_to(PROJECT_ROOT, walk_up=True))
        else:
            yield path.name
