"""What a person asks `netheal up` for."""

from dataclasses import dataclass
from pathlib import Path

GENERATED = "generated"


@dataclass(frozen=True)
class UpOptions:
    """The options of the command. `traffic`: `generated`, or files, or nothing."""

    traffic: tuple[str, ...]
    rate_per_s: float | None
    duration_s: float | None
    drain: bool
    as_json: bool
    api: bool = True

    @property
    def files(self) -> list[Path]:
        """The files whose rows are to be sent."""
        return [Path(name) for name in self.traffic if name != GENERATED]

    @property
    def reports(self) -> bool:
        """Whether a report is to be printed at the end."""
        return self.drain or self.as_json or self.duration_s is not None
