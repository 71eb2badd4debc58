"""The code of docs/integration.md that scores rows without netheal gives netheal's own answers, bit by bit."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from netheal.bundles.served import read_served
from netheal.contracts import attack_classes
from netheal.scoring.model import ServedModel
from netheal.settings import PROJECT_ROOT
from tests.fenced_blocks import fenced_blocks

EXAMPLES = PROJECT_ROOT / "data" / "examples"


def printed(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def answers(model: ServedModel, flows: Path) -> list[str]:
    """The lines that the code has to print for a CSV of flows."""
    table = pd.read_csv(flows)
    for name, codes in model.encoders.items():
        table[name] = table[name].map(codes)
    values = table[list(model.bundle.contract.names)].to_numpy(dtype=np.float64)
    if model.bundle.manifest.model_type == "attack_classifier":
        scores = model.attack_scores(values)
        names = [attack_classes().names[at] for at in scores.class_id]
        return [f"{name} {confidence}" for name, confidence in zip(names, scores.confidence.tolist(), strict=True)]
    return [
        f"{'Attack' if score >= model.threshold else 'Normal'} {score}"
        for score in model.threat_scores(values).tolist()
    ]


@pytest.mark.parametrize(
    ("folder", "flows"), [("attack_classifier", "attack_v1.csv"), ("threat_detector", "threat_v1.csv")]
)
def test_the_code_gives_the_same_bits(models: Path, folder: str, flows: str) -> None:
    (block,) = (of for of in fenced_blocks(PROJECT_ROOT / "docs" / "integration.md") if "onnxruntime" in of.code)
    code = block.code.replace("models/attack_classifier", f"models/{folder}").replace("attack_v1.csv", flows)
    expected = answers(ServedModel(read_served(models / folder)), EXAMPLES / flows)
    assert len(set(expected)) > 10
    assert printed(code) == expected
