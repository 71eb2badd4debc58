"""What a run does, fixed when it first begins: inputs, units of work, models and policy."""

import hashlib
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from netheal.errors import SettingsError
from netheal.records.flow_files import Span

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Request(msgspec.Struct, frozen=True):
    """What was asked for; a run that goes on must be asked for the same."""

    inputs: list[str]
    models: list[str] = []
    compare: str | None = None
    stored: bool = False
    since: datetime | None = None


class InputFile(msgspec.Struct, frozen=True):
    """A file as it was when the run began."""

    path: str
    size: int
    mtime_ns: int


class Unit(msgspec.Struct, frozen=True):
    """What is scored and committed at once: a span of a flow file, or some parts of the stored verdicts."""

    number: int
    paths: list[str]
    size_bytes: int
    span: Span = Span()


class RunPlan(msgspec.Struct, frozen=True):
    """`models` and `compared` map contract ids to bundle hashes; `errors` are files that are no flow files, and why."""

    run_id: str
    started_at: datetime
    request: Request
    inputs: list[InputFile]
    units: list[Unit]
    errors: dict[str, str]
    models: dict[str, str]
    policy: dict[str, Any]
    compared: dict[str, str] | None = None
    compared_with: str | None = None

    @property
    def app_id(self) -> str:
        """Under which the units are versions in the tables' logs."""
        return f"netheal-rescore-{self.run_id}"

    @property
    def owner(self) -> str:
        """What names of parts begin with; no run's is the beginning of another's."""
        return f"run{hashlib.sha256(self.run_id.encode()).hexdigest()[:16]}"

    @property
    def bundle_hashes(self) -> list[str]:
        """Of all models, each once."""
        return sorted({*self.models.values(), *(self.compared or {}).values()})


class RunProgress(msgspec.Struct, frozen=True):
    """How far a run is: units before `units_done` are committed. `errors` are files that broke off."""

    units_done: int = 0
    verdicts: int = 0
    rejected: int = 0
    errors: dict[str, str] = {}


def require_run_id(run_id: str) -> None:
    """Raise SettingsError for what cannot be the id of a run."""
    if not RUN_ID.fullmatch(run_id):
        raise SettingsError("a run id has 1 to 64 letters, digits, '.', '_' and '-', and begins with a letter or digit")


def require_same(plan: RunPlan, request: Request, inputs: list[InputFile]) -> None:
    """Raise SettingsError where a run goes on that was asked for something else, or whose inputs changed."""
    hint = f"run {plan.run_id} began with other"
    if request != plan.request:
        raise SettingsError(f"{hint} arguments: give the same ones, or another --run-id")
    before, now = ({file.path: file for file in files} for files in (plan.inputs, inputs))
    changed = sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise SettingsError(f"{hint} inputs: {changed[0]}{more} changed since; give another --run-id")


def read_json[T](path: Path, kind: type[T]) -> T | None:
    """What `path` holds, None where there is no file; raises SettingsError where it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(
            f"cannot read {path}: {error}; remove the run's folder and give another --run-id"
        ) from error
