"""What the handlers of the API work with; made once by `create_app`."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from netheal.receipts.verification import Receipts
from netheal.registry.artefacts import Artefacts
from netheal.settings import Settings
from netheal.store.archive import Archive
from netheal.store.delta import quarantine_layout, verdicts_layout
from netheal.store.pool import Pool
from netheal.traffic.ingest import TrafficProducer
from netheal.uploads.score_file import FlowUploads

_KEY = "netheal"


@dataclass(frozen=True)
class Services:
    """Settings, Postgres, the served models on disk, the Delta tables, the way to Kafka."""

    settings: Settings
    pool: Pool
    artefacts: Artefacts
    verdicts: Archive
    quarantine: Archive
    traffic_producer: TrafficProducer
    flows: FlowUploads
    receipts: Receipts


def services() -> Services:
    """Those of the app that handles the present request."""
    return cast(Services, current_app.extensions[_KEY])


def open_services(settings: Settings) -> Services:
    """Of these settings."""
    pool = Pool(settings.postgres.dsn.get_secret_value())
    artefacts = Artefacts(settings.paths.artefacts_dir)
    verdicts = Archive(verdicts_layout(), settings.paths.delta_root)
    return Services(
        settings,
        pool,
        artefacts,
        verdicts,
        Archive(quarantine_layout(), settings.paths.delta_root),
        TrafficProducer(settings.kafka.bootstrap_servers, settings.kafka.client_options),
        FlowUploads(pool, artefacts, settings.paths.delta_root, settings.paths.policy_path),
        Receipts(pool, verdicts, artefacts),
    )
