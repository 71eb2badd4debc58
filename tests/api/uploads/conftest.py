"""Files to upload, and a look at every store."""

import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from flask.testing import FlaskClient

from netheal.contracts import contract
from netheal.settings import Settings
from netheal.store.database import Connection, transaction

Document = dict[str, Any]
Upload = Callable[..., Any]
URL = "/api/v1/upload/csv"
THREAT, ATTACK = contract("threat/v1"), contract("attack/v1")
THREAT_ROW = "http,SF,181,5450,8,1.0,0.0,9,1.0,0.11"
THREAT_CSV = ",".join(THREAT.names) + "\n" + f"{THREAT_ROW}\n" * 3
ATTACK_HEADER = ",".join((*ATTACK.names, "Src IP"))
ATTACK_ROW = ",".join(["1"] * len(ATTACK.names)) + ",192.0.2.9"


@pytest.fixture
def upload(client: FlaskClient) -> Upload:
    """Uploads the text of a CSV; gives the response."""

    def run(content: str | bytes, query: str = "", name: str = "flows.csv") -> Any:
        data = content.encode() if isinstance(content, str) else content
        return client.post(f"{URL}{query}", data={"file": (io.BytesIO(data), name)})

    return run


@pytest.fixture
def stored(database: Connection, api_settings: Settings) -> Callable[[], Document]:
    """How many rows each store has."""

    def look() -> Document:
        found: Document = {}
        with transaction(database) as cursor:
            for table in ("verdicts", "rejected", "uploads"):
                cursor.execute(f"select count(*) from {table}")
                (found[table],) = cursor.fetchone() or (None,)
            for table in ("total_counts", "minute_counts"):
                cursor.execute(f"select coalesce(sum(n), 0)::int from {table} where kind in ('prediction', 'rejected')")
                (found[table],) = cursor.fetchone() or (None,)
        for name in ("verdicts", "quarantine"):
            uri = f"{api_settings.paths.delta_root}/{name}"
            found[f"delta {name}"] = delta_rows(uri).num_rows if DeltaTable.is_deltatable(uri) else 0
        return found

    return look


NOTHING = {"verdicts": 0, "rejected": 0, "uploads": 0, "total_counts": 0, "minute_counts": 0}
NOTHING |= {"delta verdicts": 0, "delta quarantine": 0}


def delta_rows(uri: str) -> pa.Table:
    return pa.table(DeltaTable(uri).to_pyarrow_table()).sort_by("event_id")
