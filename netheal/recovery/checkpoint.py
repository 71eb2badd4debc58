"""Spark's checkpoint of the stream: what stands in it, which of its files are damaged, and how it is made anew.

A checkpoint is a folder: `metadata` (the query's id), `offsets/N` (where batch N ends, written before it begins),
`commits/N` (written when it is over), `sources/0/0` (where batch 0 begins). Spark reads the last two files of
`offsets`, the last of `commits`, and `metadata`; the format is that of Spark 4.2.
"""

import json
import shutil
import uuid
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from netheal.errors import ServiceUnavailable, StreamRefused
from netheal.host.fsync import sync_files, sync_path
from netheal.kafka.offsets import Offsets
from netheal.store.ledger import REBUILD

METADATA = "metadata"
OFFSETS = "offsets"
COMMITS = "commits"
INITIAL = "sources/0/0"
_VERSION = "v1"
_PATH_SAFE = str.maketrans("/+", "_-")
_CONF = {"spark.sql.shuffle.partitions": "200"}
"""Spark compares this one between a batch that it replays and the one before; the stream shuffles nothing."""
_CHECKSUM_HEAD = b"crc\0"


def checkpoint_folder(root: str, topic_id: str) -> str:
    """Where the checkpoint of one incarnation of the topic is: each has its own."""
    return f"{root.rstrip('/')}/{topic_id.translate(_PATH_SAFE)}"


def newest_checkpoint(root: Path) -> Path | None:
    """The folder of the incarnation that was read last, None where there is none; those set aside do not count."""
    folders = root.iterdir() if root.is_dir() else []
    found = [folder for folder in folders if folder.is_dir() and "." not in folder.name]
    return max(found, key=_written_at, default=None)


def _written_at(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder, folder / OFFSETS, folder / COMMITS) if path.is_dir())


class DamagedFile(Exception):
    """A file of a checkpoint that Spark could not read; the message continues the file's name."""


class CheckpointFiles(Protocol):
    """The files of one checkpoint, on whatever file system."""

    location: str

    def names(self, folder: str) -> list[str]:
        """Names in a folder of the checkpoint ("" for itself); none where there is no such folder."""
        ...

    def read(self, name: str) -> bytes | None:
        """A file's content, None where there is no such file; raises DamagedFile where it cannot be read."""
        ...

    def is_intact(self, name: str, content: bytes) -> bool:
        """Whether the content is what was written, as far as the file system can tell."""
        ...

    def replace(self, files: Mapping[str, bytes], aside: str) -> str | None:
        """Make these the checkpoint's only files. What is there gets `aside` at the end of its name, which is given."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """What Spark will find. `last_offsets` and `last_commit` are batch ids, -1 for none; `end` belongs to the former.

    `damage` are sentences, one for each file that is missing or cannot be read.
    """

    query_id: str | None = None
    last_offsets: int = -1
    last_commit: int = -1
    end: Offsets = field(default_factory=dict)
    damage: tuple[str, ...] = ()
    location: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether no batch of any query stands in it."""
        return self.last_offsets < 0 and self.last_commit < 0 and not self.damage


@dataclass(frozen=True)
class ResumePoint:
    """Where a query goes on: its next batch, where that begins, and where it ends if that was pinned before."""

    query_id: str
    batch_id: int
    start: Offsets
    end: Offsets | None = None


class LocalFiles:
    """A checkpoint on a local file system, with the checksums that Hadoop keeps beside each file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.location = str(folder)

    def names(self, folder: str) -> list[str]:
        """Names in a folder of the checkpoint."""
        path = self._folder / folder
        try:
            return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []
        except OSError as error:
            raise ServiceUnavailable(f"the checkpoint {path} cannot be read: {error.strerror}") from error

    def read(self, name: str) -> bytes | None:
        """A file's content."""
        path = self._folder / name
        try:
            return path.read_bytes() if path.is_file() else None
        except OSError as error:
            raise DamagedFile(f"cannot be read ({error.strerror})") from error

    def is_intact(self, name: str, content: bytes) -> bool:
        """By the checksums that Hadoop keeps beside a file, and insists on."""
        path = self._folder / name
        checksums = path.with_name(f".{path.name}.crc")
        return not checksums.is_file() or matches_checksums(content, checksums.read_bytes())

    def replace(self, files: Mapping[str, bytes], aside: str) -> str | None:
        """Synced before it takes the name; a stop in between leaves no checkpoint, which is made anew."""
        try:
            return self._replace(files, aside)
        except OSError as error:
            raise ServiceUnavailable(f"the checkpoint {self._folder} cannot be written: {error.strerror}") from error

    def _replace(self, files: Mapping[str, bytes], aside: str) -> str | None:
        fresh = self._folder.with_name(f".{self._folder.name}.{uuid.uuid4().hex}")
        try:
            _write_synced(fresh, files)
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            old = None
            if self._folder.exists():
                old = str(self._folder.rename(self._folder.with_name(f"{self._folder.name}{aside}")))
            if files:
                fresh.rename(self._folder)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        sync_path(self._folder.parent)
        return old


def _write_synced(folder: Path, files: Mapping[str, bytes]) -> None:
    """The files, and all folders from `folder` on."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    sync_files(folder / name for name in files)
    for below in sorted({*folder.rglob("*"), folder}):
        if below.is_dir():
            sync_path(below)


def matches_checksums(content: bytes, checksums: bytes) -> bool:
    """Whether Hadoop would take the content for intact; it ignores a checksum file that is none."""
    if len(checksums) < 8 or not checksums.startswith(_CHECKSUM_HEAD):
        return True
    step = int.from_bytes(checksums[4:8])
    sums = b"".join(zlib.crc32(content[at : at + step]).to_bytes(4) for at in range(0, len(content), step))
    return checksums[8:] == sums


def read_checkpoint(files: CheckpointFiles, topic: str) -> Checkpoint:
    """What Spark will find, and what it will stumble over."""
    # Commits first: a job that writes meanwhile is then never seen with a commit that has no offsets.
    commits, offsets = _batches(files, COMMITS), _batches(files, OFFSETS)
    last_commit, last_offsets = max(commits, default=-1), max(offsets, default=-1)
    damage: list[str] = []

    def look[T](name: str, parse: Callable[[bytes], T]) -> T | None:
        try:
            content = files.read(name)
            if content is None:
                raise DamagedFile("is missing")
            parsed = parse(content)
            if not files.is_intact(name, content):
                raise DamagedFile("does not match its checksum")
            return parsed
        except DamagedFile as problem:
            damage.append(f"{name} {problem}")
            return None

    query_id = look(METADATA, _query_id) if offsets or commits or METADATA in files.names("") else None
    end = None
    if last_offsets >= 0:
        end = look(f"{OFFSETS}/{last_offsets}", lambda content: _end_offsets(content, topic))
    if last_offsets > 0:
        look(f"{OFFSETS}/{last_offsets - 1}", lambda content: _end_offsets(content, topic))
    if last_commit < 0 and (last_offsets == 0 or (last_offsets < 0 and "0" in files.names("sources/0"))):
        look(INITIAL, lambda content: _initial_offsets(content, topic))
    if last_commit > last_offsets:
        damage.append(f"{OFFSETS}/{last_commit} is missing, though {COMMITS}/{last_commit} is there")
    if last_commit >= 0:
        look(f"{COMMITS}/{last_commit}", _commit)
    return Checkpoint(query_id, last_offsets, last_commit, end or {}, tuple(damage), files.location)


def read_offsets(files: CheckpointFiles, name: str, topic: str) -> Offsets:
    """The offsets in one file, which Spark has just written; raises StreamRefused where it cannot be read."""
    parse = _initial_offsets if name == INITIAL else _end_offsets
    try:
        content = files.read(name)
        if content is None:
            raise DamagedFile("is missing")
        return parse(content, topic)
    except DamagedFile as problem:
        raise StreamRefused(f"the checkpoint is damaged: {name} {problem}. {REBUILD}") from problem


def checkpoint_files(topic: str, point: ResumePoint) -> dict[str, bytes]:
    """The least that Spark needs to begin with the batch that is next, and with no other."""
    files = {METADATA: json.dumps({"id": point.query_id}).encode()}
    last = point.batch_id - 1
    if last < 0:
        files[INITIAL] = b"\0" + f"{_VERSION}\n{json.dumps({topic: point.start})}".encode()
    for batch_id in (last - 1, last):  # Spark insists on the one before the last, too, and reads nothing of it.
        if batch_id >= 0:
            files[f"{OFFSETS}/{batch_id}"] = _offsets_file(topic, point.start)
            files[f"{COMMITS}/{batch_id}"] = f'{_VERSION}\n{{"nextBatchWatermarkMs":0}}'.encode()
    if point.end is not None:
        files[f"{OFFSETS}/{point.batch_id}"] = _offsets_file(topic, point.end)
    return files


def _batches(files: CheckpointFiles, folder: str) -> list[int]:
    return [int(name) for name in files.names(folder) if name.isdecimal()]


def _offsets_file(topic: str, offsets: Offsets) -> bytes:
    head = json.dumps({"batchWatermarkMs": 0, "batchTimestampMs": 0, "conf": _CONF})
    return f"{_VERSION}\n{head}\n{json.dumps({topic: offsets})}".encode()


def _lines(content: bytes, count: int) -> list[str]:
    """The lines after the version's."""
    if not content.strip(b"\0 \r\n"):
        raise DamagedFile("is empty")
    try:
        version, *lines = content.decode().split("\n")
    except UnicodeDecodeError:
        raise DamagedFile("is not text") from None
    if version != _VERSION:
        raise DamagedFile(f"does not begin with {_VERSION}")
    if len(lines) < count:
        raise DamagedFile("is cut off")
    return lines


def _object(text: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        raise DamagedFile("is cut off") from None
    if not isinstance(document, dict):
        raise DamagedFile("is not what Spark writes")
    return document


def _query_id(content: bytes) -> str:
    if not content.strip(b"\0 \r\n"):
        raise DamagedFile("is empty")
    query_id = _object(content.decode(errors="replace")).get("id")
    try:
        return str(uuid.UUID(str(query_id)))
    except ValueError:
        raise DamagedFile("holds no query id") from None


def _end_offsets(content: bytes, topic: str) -> Offsets:
    head, source, *_ = _lines(content, 2)
    _object(head)
    return _topic_offsets(source, topic)


def _initial_offsets(content: bytes, topic: str) -> Offsets:
    return _topic_offsets(_lines(content.removeprefix(b"\0"), 1)[0], topic)


def _topic_offsets(text: str, topic: str) -> Offsets:
    offsets = _object(text).get(topic)
    if not isinstance(offsets, dict):
        raise DamagedFile(f"holds no offsets of topic {topic}")
    if not all(partition.isdecimal() and isinstance(offset, int) for partition, offset in offsets.items()):
        raise DamagedFile("holds something else than offsets")
    return dict(offsets)


def _commit(content: bytes) -> None:
    _object(_lines(content, 1)[0])
