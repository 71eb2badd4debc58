"""A stream as a stopped netheal leaves it, in one file: topics, tables, Delta, checkpoint, models, and the outcome."""

import hashlib
import json
import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa

from netheal.embedded.postgres import server_binaries

DUMP = "postgres.sql"
OUTCOME = "outcome.json"
KEPT = ("kafka/data", "kafka/cluster.id", "delta", "checkpoint", "artefacts", DUMP, OUTCOME)


@dataclass(frozen=True)
class Outcome:
    """What has to come of a stored stream. Ids are event ids; digests are of the columns that are named.

    `open_batch` is pinned and not done; `waiting` were never read. `models` are by their hash, `active` by their type.
    """

    revision: str
    columns: dict[str, list[str]]
    verdicts: dict[str, str]
    quarantine: dict[str, str]
    open_batch: int
    open_models: dict[str, str]
    waiting: list[int]
    models: dict[str, str]
    active: dict[str, str]
    rolled_back_to: str

    def to_json(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self), indent=1)


def read_outcome(folder: Path) -> Outcome:
    """Of an unpacked stream."""
    return Outcome(**json.loads((folder / OUTCOME).read_text("utf-8")))


def row_digests(table: pa.Table, columns: Iterable[str]) -> dict[str, str]:
    """Event id -> digest of its row: of doubles every bit, whatever columns the table has besides."""
    rows = table.select(list(columns)).to_pylist()
    return {str(row["event_id"]): hashlib.sha256(_canonical(row).encode()).hexdigest()[:16] for row in rows}


def _canonical(row: dict[str, Any]) -> str:
    exact = {name: value.hex() if isinstance(value, float | bytes) else value for name, value in row.items()}
    return json.dumps(exact, sort_keys=True, default=str)


def dump_database(dsn: str, file: Path) -> None:
    """All tables as statements that any server takes."""
    command = (server_binaries() / "pg_dump", "--inserts", "--rows-per-insert=100", "--no-owner", "--no-privileges")
    subprocess.run([*command, f"--file={file}", dsn], check=True)


def restore_database(file: Path, dsn: str) -> None:
    """The same into an empty database; lines of backslashes are psql's own."""
    statements = "".join(line for line in file.read_text("utf-8").splitlines(True) if not line.startswith("\\"))
    connection = psycopg2.connect(dsn, connect_timeout=10)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statements)
    finally:
        connection.close()


def pack(folder: Path, file: Path) -> None:
    """Keep what a stopped netheal has in a folder, and nothing of this machine."""

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return None if Path(entry.name).name.startswith((".lock", ".kafka_cleanshutdown.")) else entry

    with tarfile.open(file, "w:xz", preset=9) as archive:
        for name in KEPT:
            archive.add(folder / name, name, filter=anonymous)


def unpack(file: Path, folder: Path) -> None:
    """Into an empty folder."""
    with tarfile.open(file) as archive:
        archive.extractall(folder, filter="data")


def files_that_say(folder: Path, words: Iterable[str]) -> list[Path]:
    """Files below a folder in whose bytes one of the words stands."""
    wanted = [word.encode() for word in words]
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if any(word in path.read_bytes() for word in wanted)]
