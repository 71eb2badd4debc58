"""People are told when the traffic of an active model leaves its training, and when it is back; once each."""

from pathlib import Path

import pytest

from netheal.bundles.served import ServedBundle
from netheal.drift.window import WindowRules
from netheal.notifications.drift_changes import DriftChanges
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import ChangeReason, activate
from netheal.registry.models import Upload, add_model
from netheal.store.database import Connection, transaction
from netheal.store.drift import BatchDrift, add_to_windows
from tests.drift_traffic import traffic
from tests.stack.notifications.conftest import Outbox

pytestmark = pytest.mark.stack
WHY = ChangeReason("test", "")


def judge(database: Connection, bundle: ServedBundle, moved: int) -> None:
    drift = BatchDrift(
        {bundle.hash: traffic(bundle, 5_000, moved)}, {bundle.hash: bundle}, WindowRules(1_000, least_s=0)
    )
    with transaction(database) as cursor:
        assert len(add_to_windows(cursor, drift)) == 1


def test_a_change_of_drift_is_told_once(database: Connection, attack_bundle: ServedBundle, tmp_path: Path) -> None:
    model = add_model(database, Artefacts(str(tmp_path)), attack_bundle, Upload("m.joblib", 1), WHY)
    activate(database, model.id, WHY)
    outbox = Outbox(database, DriftChanges())
    judge(database, attack_bundle, moved=0)
    assert outbox.collected() == []
    judge(database, attack_bundle, moved=40)
    (alarm,) = outbox.collected()
    assert alarm.severity == "error" and model.model_version in alarm.title and "far from training" in alarm.title
    assert len(alarm.details["features"]) == 5 and all(name in alarm.title for name in alarm.details["features"])
    judge(database, attack_bundle, moved=40)
    assert outbox.collected() == []
    judge(database, attack_bundle, moved=0)
    (over,) = outbox.collected()
    assert over.severity == "info" and "near training again" in over.title


def test_drift_that_lasts_when_the_notifier_first_runs_is_told(
    database: Connection, attack_bundle: ServedBundle, tmp_path: Path
) -> None:
    model = add_model(database, Artefacts(str(tmp_path)), attack_bundle, Upload("m.joblib", 1), WHY)
    activate(database, model.id, WHY)
    judge(database, attack_bundle, moved=40)
    assert len(Outbox(database, DriftChanges()).collected()) == 1
