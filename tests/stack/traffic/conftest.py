"""One real broker for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from netheal.embedded.kafka import EmbeddedKafka

JARS = Path(__file__).parents[3] / "var" / "jars"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    if not (JARS / "broker").is_dir():
        pytest.skip("the broker's jars are not in var/jars/broker: fetch them first")
    folder = tmp_path_factory.mktemp("kafka")
    broker = EmbeddedKafka(folder / "data", JARS, 0, folder / "log", heap_mb=384)
    broker.start()
    yield broker
    broker.stop()
