"""The whole life of a model as its makers see it, with `netheal up`: trained, handed in, live, rolled back, deleted."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from netheal.settings import PROJECT_ROOT
from netheal.traffic.generator import TrafficGenerator
from tests.deadlines import DEADLINE_S, REQUEST_S
from tests.stack.harness import NETHEAL, eventually

pytestmark = [pytest.mark.stack, pytest.mark.slow]
ATTACK = "attack_classifier"
STATS = {
    "total_predictions",
    "total_attacks",
    "total_normal",
    "attack_rate",
    "attack_type_distribution",
    "recent_predictions",
}


class Api:
    """What curl would do."""

    def __init__(self, var: Path) -> None:
        self.url = json.loads((var / "api.json").read_text())["url"].rstrip("/") + "/api/v1"

    def get(self, path: str) -> Any:
        return self._answer(requests.get(self.url + path, timeout=REQUEST_S))

    def post(self, path: str, **form: Any) -> Any:
        return self._answer(requests.post(self.url + path, timeout=DEADLINE_S, **form))

    def delete(self, path: str) -> Any:
        return self._answer(requests.delete(self.url + path, timeout=REQUEST_S))

    def _answer(self, answer: requests.Response) -> Any:
        assert answer.ok, answer.text
        return answer.json()


@pytest.fixture
def running(var_folder: Path) -> Iterator[Path]:
    """`netheal up` without traffic, its API on a free port."""
    log = (var_folder / "up.log").open("wb")
    argv = [*NETHEAL, "up", "--var", str(var_folder)]
    env = {"NETHEAL_API_PORT": "0", "PATH": "/usr/bin:/bin", "HOME": str(var_folder)}
    process = subprocess.Popen(argv, cwd=PROJECT_ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env)
    try:
        eventually(lambda: process.poll() is not None or (var_folder / "api.json").exists(), "the API is up")
        assert process.poll() is None, (var_folder / "up.log").read_text()
        yield var_folder
    finally:
        process.terminate()
        process.wait(90)
        log.close()


@pytest.fixture
def trained(shared_data: Path, tmp_path: Path) -> Path:
    """A folder with a bundle that was trained just now."""
    flows = shared_data / "cic-ids2017" / "reference_12006.csv.gz"
    script = PROJECT_ROOT / "research" / "attack_classification.py"
    order = ["--train_csvs", str(flows), "--max_depth", "6", "--output_dir", str(tmp_path)]
    subprocess.run([sys.executable, str(script), *order], check=True, capture_output=True, timeout=DEADLINE_S)
    return tmp_path


def versions_of(api: Api, csv: Path) -> set[str]:
    """Which models score an upload now."""
    answer = api.post("/upload/csv", files={"file": csv.open("rb")})
    return {row["attack_prediction"]["model_version"] for row in answer["predictions"] if row["attack_prediction"]}


def send(api: Api, rows: int, seed: int) -> list[int]:
    """Flows into the input topic; the ids of their events."""
    messages = TrafficGenerator(seed, broken_share=0.0).messages(rows)
    return list(
        api.post("/traffic", data=b"\n".join(messages), headers={"Content-Type": "application/x-ndjson"})["ids"]
    )


def scored(api: Api, ids: list[int]) -> list[dict[str, Any]]:
    """The stream's verdicts of these events, once they are there."""

    def look() -> list[dict[str, Any]]:
        found = {p["traffic_data_id"]: p for p in api.get("/predictions?limit=1000")["predictions"]}
        return [found[i] for i in ids] if set(ids) <= set(found) else []

    return list(eventually(look, "the stream has scored them"))


def test_from_training_to_deletion(running: Path, trained: Path, shared_data: Path, tmp_path: Path) -> None:
    api = Api(running)
    before = {p["attack_prediction"]["model_version"] for p in scored(api, send(api, 200, 1)) if p["attack_prediction"]}
    assert before == {"random_forest_v1_20261126"}

    profile = (trained / "attack_classifier_profile.json").open("rb")
    files = {"file": (trained / "attack_classifier.joblib").open("rb"), "profile_config": profile}
    model = api.post("/models/upload", files=files, data={"model_type": ATTACK, "description": "from the reference"})
    assert (model["is_active"], model["model_type"], len(model["expected_features"])) == (False, ATTACK, 42)
    assert all(step["passed"] for step in model["validation_results"]["steps"])
    assert model["validation_results"]["figures"]["against_active"]["rows"] > 0

    api.post(f"/models/{model['id']}/activate")
    csv = tmp_path / "flows.csv"
    csv.write_text("".join(_lines(shared_data, 101)), "utf-8")
    assert versions_of(api, csv) == {model["model_version"]}
    now = {p["attack_prediction"]["model_version"] for p in scored(api, send(api, 200, 2)) if p["attack_prediction"]}
    assert now == {model["model_version"]}, "the running job took the new model without a restart"

    # A batch is counted when it closes, a moment after its rows can be asked for.
    eventually(lambda: api.get("/predictions/stats")["total_predictions"] >= 400, "every row is counted")
    stats = api.get("/predictions/stats")
    assert stats.keys() >= STATS
    assert stats["total_predictions"] == stats["total_attacks"] + stats["total_normal"]
    assert len(stats["recent_predictions"]) == 100

    assert api.post(f"/models/rollback/{ATTACK}")["model"]["model_version"] == "random_forest_v1_20261126"
    assert versions_of(api, csv) == before
    assert api.delete(f"/models/{model['id']}?delete_file=true")["model"]["state"] == "deleted"
    eventually(lambda: api.get("/health")["ready"], "health, which is some seconds old, says that all is well")
    assert_published(api, trained, csv)


def assert_published(api: Api, trained: Path, csv: Path) -> None:
    """The same by the script for data scientists, seen by the command for operators."""
    env = {**os.environ, "NETHEAL_API_URL": api.url.removesuffix("/api/v1")}
    script = PROJECT_ROOT / "research" / "publish_bundle.py"
    bundle = ["--model-path", str(trained / "attack_classifier.joblib"), "--model-type", ATTACK]
    order = [*bundle, "--card", str(trained / "MODEL_CARD.md"), "--test-csv", str(csv), "--activate"]
    subprocess.run([sys.executable, str(script), *order], check=True, capture_output=True, timeout=DEADLINE_S, env=env)
    listed = subprocess.run(
        [*NETHEAL, "models", "list", "--model-type", ATTACK, "--json"], check=True, capture_output=True, env=env
    )
    newest = json.loads(listed.stdout)["models"][0]
    assert newest["is_active"]
    assert "held-out" in api.get(f"/models/{newest['id']}/card")["card"].lower()


def _lines(shared_data: Path, lines: int) -> list[str]:
    """The head of the reference file."""
    with gzip.open(shared_data / "cic-ids2017" / "reference_12006.csv.gz", "rt", encoding="utf-8") as file:
        return [line for _, line in zip(range(lines), file, strict=False)]
