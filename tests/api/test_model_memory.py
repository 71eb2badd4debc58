"""A small file that expands to a large model: what it costs the API, looked at from outside."""

import json
import pickle
from pathlib import Path

import numpy as np
import psutil
import requests

from netheal.contracts import attack_classes, contract
from tests.api.served import Serve
from tests.unit.bundles.intake.honest_bundles import honest
from tests.unit.bundles.intake.test_expansion import repeated

ROWS = 5_000
NAMES = contract("attack/v1").names
MEGABYTE = 2**20


def memory_mb(process: psutil.Process, what: str) -> float:
    """`VmHWM`, the most it ever had in memory, or `VmRSS`, what it has now."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(what))


def csv() -> bytes:
    rows = np.abs(np.random.default_rng(1).normal(size=(ROWS, len(NAMES)))).round(3)
    lines = [",".join(NAMES), *(",".join(map(str, row)) for row in rows)]
    return "\n".join(lines).encode()


def test_a_forest_of_one_tree_many_times_takes_no_gigabytes(serve: Serve) -> None:
    layout = honest("tree").layout
    layout["label_encoder"].classes_ = np.array(attack_classes().names)
    bundle = pickle.dumps({**layout, "model": repeated(2_000), "attack_types": None})
    assert len(bundle) < 20_000
    served = serve().wait_ready()
    (worker,) = psutil.Process(served.process.pid).children()
    url = f"{served.address['url']}/api/v1"

    def upload(notes: str) -> dict[str, object]:
        files = {"file": ("bundle.pkl", bundle)}
        form = {"model_type": "attack_classifier", "profile_config": json.dumps({"preprocessing_notes": notes})}
        answer = requests.post(f"{url}/models/upload", files=files, data=form, timeout=300)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def score() -> None:
        answer = requests.post(f"{url}/upload/csv?limit=1", files={"file": ("rows.csv", csv())}, timeout=300)
        assert answer.status_code == 200, answer.text

    begun = memory_mb(worker, "VmRSS")
    model = upload("the first")
    assert memory_mb(worker, "VmHWM") < begun + 100, "it was proved in the process that reads it"
    assert requests.post(f"{url}/models/{model['id']}/activate", timeout=60).status_code == 200
    score()
    compared = upload("the second")["validation_results"]["figures"]["against_active"]  # type: ignore[index]
    assert (compared["rows"], compared["differing"]) == (ROWS, 0)
    assert memory_mb(worker, "VmHWM") < begun + 500
    assert requests.post(f"{url}/models/{model['id']}/deactivate", timeout=60).status_code == 200
    assert requests.delete(f"{url}/models/{model['id']}?delete_file=true", timeout=60).status_code == 200
    assert memory_mb(worker, "VmRSS") < begun + 300
