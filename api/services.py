"""What the handlers of the API work with; made once by `create_app`."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from netheal.registry.artefacts import Artefacts
from netheal.settings import Settings
from netheal.store.archive import Archive
from netheal.store.delta import quarantine_layout, verdicts_layout
from netheal.store.pool import Pool

_KEY = "netheal"


@dataclass(frozen=True)
class Services:
    """Settings, Postgres, the served models on disk, and the Delta tables."""

    settings: Settings
    pool: Pool
    artefacts: Artefacts
    verdicts: Archive
    quarantine: Archive


def services() -> Services:
    """Those of the app that handles the present request."""
    return cast(Services, current_app.extensions[_KEY])


def open_services(settings: Settings) -> Services:
    """Of these settings."""
    return Services(
        settings,
        Pool(settings.postgres_dsn.get_secret_value()),
        Artefacts(settings.artefacts_dir),
        Archive(verdicts_layout(), settings.delta_root),
        Archive(quarantine_layout(), settings.delta_root),
    )
