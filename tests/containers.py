"""The files of the containers, read as the engine reads them: the compose file with its defaults, the Dockerfile."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from netheal.settings import PROJECT_ROOT

COMPOSE_FILE = PROJECT_ROOT / "docker-compose.spark.yml"
DOCKERFILE = PROJECT_ROOT / "conf" / "container" / "Dockerfile"
_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::-([^}]*))?\})")


def compose_file(**variables: str) -> dict[str, Any]:
    """The compose file as it is where these variables are set, and no others."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[1] else variables.get(found[2]) or found[3] or ""

    def filled(node: Any) -> Any:
        """Values alone, once they are parsed: what a variable holds is text, whatever it looks like."""
        if isinstance(node, dict):
            return {key: filled(under) for key, under in node.items()}
        if isinstance(node, list):
            return [filled(under) for under in node]
        return _VARIABLE.sub(value, node) if isinstance(node, str) else node

    document: dict[str, Any] = filled(yaml.safe_load(COMPOSE_FILE.read_text("utf-8")))
    return document


@dataclass(frozen=True)
class Instruction:
    """One of the Dockerfile, in the stage of this number; `words` as a shell parts them."""

    stage: int
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


def dockerfile() -> list[Instruction]:
    """The instructions, lines that go on put together."""
    lines = [line for line in DOCKERFILE.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    found, stage = [], -1
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, text = line.partition(" ")
            stage += name == "FROM"
            found.append(Instruction(stage, name, text.strip()))
    return found


def image_environment() -> dict[str, str]:
    """What ENV of the last stage gives every container of our image."""
    last = dockerfile()[-1].stage
    return dict(one.text.split("=", 1) for one in dockerfile() if one.name == "ENV" and one.stage == last)


def mounted(service: dict[str, Any]) -> dict[str, str]:
    """Where each volume and folder of the host is in a container: source -> target."""
    found = {}
    for volume in service.get("volumes", []):
        if isinstance(volume, dict):
            found[volume["source"]] = volume["target"]
        else:
            source, target, *_ = volume.split(":")
            found[source] = target
    return found


def host_path(source: str) -> Path | None:
    """The file or folder of the checkout that a mount names, None for a named volume."""
    return PROJECT_ROOT / source if source.startswith(("./", "/")) else None
