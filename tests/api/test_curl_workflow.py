"""What an owner of the replaced system has in their scripts: its curl lines, one after the other, by curl itself."""

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.api.served import Serve
from tests.api.uploads.conftest import ATTACK_HEADER, ATTACK_ROW, THREAT, THREAT_ROW

ATTACK = "attack_classifier"
FLOWS = "\n".join([f"{','.join(THREAT.names)},{ATTACK_HEADER}", *[f"{THREAT_ROW},{ATTACK_ROW}"] * 12, ""])
MODEL_KEYS = {"id", "model_type", "version", "is_active", "expected_features", "class_labels", "validation_results"}
STATS_KEYS = {
    "total_predictions", "total_attacks", "total_normal", "attack_rate", "attack_type_distribution",
    "recent_predictions",
}  # fmt: skip


@dataclass(frozen=True)
class Shell:
    """A folder with the owner's files, and the address that their scripts have as $API."""

    folder: Path
    api: str

    def curl(self, line: str, status: int = 200) -> Any:
        """Run `curl line`; the JSON of the answer, which must have this status."""
        return json.loads(self.raw(line, status))

    def raw(self, line: str, status: int = 200) -> bytes:
        words = ["curl", "-sS", "-o", "answer", "-w", "%{http_code}", *shlex.split(line.replace("$API", self.api))]
        done = subprocess.run(words, cwd=self.folder, capture_output=True, timeout=120, check=True)
        answer = (self.folder / "answer").read_bytes()
        assert done.stdout.decode() == str(status), answer[:2000]
        return answer


@pytest.fixture
def shell(serve: Serve, starters: None, models: Path, tmp_path: Path) -> Shell:
    """With a bundle of the specified recipe, its profile, twelve flows, and a file that is no bundle."""
    folder = tmp_path / "owner"
    shutil.copytree(models / f"{ATTACK}_tree", folder)
    (folder / "flows.csv").write_text(FLOWS, "utf-8")
    (folder / "broken.pkl").write_bytes(b"no bundle")
    return Shell(folder, f"{serve().wait_ready().address['url'].rstrip('/')}/api/v1")


def test_the_workflow_of_the_replaced_system(shell: Shell) -> None:
    curl = shell.curl

    # What there is
    (starter,) = curl(f"$API/models/?model_type={ATTACK}")["models"]
    assert starter["is_active"]
    assert curl(f"$API/models/profile/{ATTACK}")["model_version"] == starter["model_version"]

    # Upload a model
    upload = (
        f"-X POST -F file=@{ATTACK}.joblib -F model_type={ATTACK} -F 'description=our tree'"
        f" -F 'profile_config=<{ATTACK}_profile.json' $API/models/upload"
    )
    model = curl(upload, 201)
    assert model.keys() >= MODEL_KEYS
    assert re.fullmatch(r"\d{8}_\d{6}", model["version"])
    assert (model["model_type"], model["is_active"], model["description"]) == (ATTACK, False, "our tree")
    assert (len(model["expected_features"]), len(model["class_labels"])) == (42, 14)
    assert all(step["passed"] for step in model["validation_results"]["steps"])
    model_id = model["id"]
    again = curl(upload, 200)
    assert (again["id"], again["message"][:19]) == (model_id, "Already uploaded as")
    refused = curl(f"-F file=@broken.pkl -F model_type={ATTACK} $API/models/upload", 422)
    assert refused["error"]["code"] == "bundle_refused"

    # List, look, activate
    assert [listed["id"] for listed in curl(f"$API/models/?model_type={ATTACK}")["models"]] == [model_id, starter["id"]]
    assert curl(f"$API/models/{model_id}")["is_active"] is False
    activated = curl(f"-X POST $API/models/{model_id}/activate")
    assert activated.keys() >= MODEL_KEYS | {"message", "replaced"}
    assert (activated["id"], activated["is_active"], activated["version"]) == (model_id, True, model["version"])
    assert activated["replaced"]["id"] == starter["id"]
    assert "nothing changed" in curl(f"-X POST $API/models/{model_id}/activate")["message"]

    # Score a CSV
    scored = curl("-X POST -F file=@flows.csv $API/upload/csv")
    assert (scored["message"], scored["total_rows"]) == ("Successfully processed 12 rows", 12)
    assert re.fullmatch(r"\d{8}_\d{6}_[0-9a-f]{6}", scored["batch_id"])
    for row in scored["predictions"]:
        assert row["traffic_data"]["batch_id"] == scored["batch_id"]
        assert row["threat_prediction"].keys() >= {"id", "prediction_score", "is_attack", "threshold", "model_version"}
        assert row["attack_prediction"].keys() >= {"id", "attack_type_encoded", "attack_type_name", "confidence"}
        assert row["attack_prediction"]["model_version"] == model["model_version"]
        assert row["self_healing_action"]["status"] == "logged"
    part = curl("-X POST -F file=@flows.csv '$API/upload/csv?limit=5'")
    assert part["message"] == "Successfully processed 12 rows, showing 5 of 12"
    rest = curl(f"'$API/uploads/{part['batch_id']}/predictions?cursor={part['next_cursor']}'")
    assert (len(part["predictions"]), len(rest["predictions"]), rest["next_cursor"]) == (5, 7, None)

    # Count, list
    stats = curl("$API/predictions/stats")
    assert stats.keys() >= STATS_KEYS
    assert (stats["total_predictions"], len(stats["recent_predictions"])) == (24, 24)
    assert stats["total_attacks"] + stats["total_normal"] == 24
    assert len(curl("'$API/predictions?limit=10'")["predictions"]) == 10

    # Roll back: deactivate, then activate the earlier one; or in one step
    off = curl(f"-X POST $API/models/{model_id}/deactivate")
    assert (off["id"], off["is_active"], off["model_type"]) == (model_id, False, ATTACK)
    assert curl(f"-X POST $API/models/{starter['id']}/activate")["is_active"] is True
    assert curl(f"-X POST $API/models/{model_id}/activate")["is_active"] is True
    back = curl(f"-X POST $API/models/rollback/{ATTACK}")
    assert (back["id"], back["is_active"], back["replaced"]["id"]) == (starter["id"], True, model_id)

    # The file back, the room it takes, and the end of the model
    assert shell.raw(f"$API/models/{model_id}/bundle") == (shell.folder / f"{ATTACK}.joblib").read_bytes()
    before = curl("$API/models/stats/storage")["total_bytes"]
    assert curl(f"-X DELETE '$API/models/{model_id}?delete_file=true'")["state"] == "deleted"
    assert curl("$API/models/stats/storage")["total_bytes"] < before - model["file_bytes"]
    assert curl(f"$API/models/{model_id}/bundle", 404)["error"]["code"] == "not_found"
