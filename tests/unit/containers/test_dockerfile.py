"""`conf/container/Dockerfile`: what it copies is there, and its last stage has no root, no compiler, no installer."""

import re
from fnmatch import fnmatch
from pathlib import Path

from netheal.settings import PROJECT_ROOT
from tests.containers import DOCKERFILE, compose_file, dockerfile, host_path, image_environment, mounted

INSTRUCTIONS = dockerfile()
LAST = INSTRUCTIONS[-1].stage
_MADE = {".venv", "var/jars/spark"}
"""By `make setup`."""


def copied(stage: int) -> list[tuple[str, list[str], str]]:
    """Of each COPY: the stage it copies from, the sources, the target."""
    found = []
    for one in INSTRUCTIONS:
        if one.name == "COPY" and one.stage == stage:
            origin = [word.removeprefix("--from=") for word in one.words if word.startswith("--from=")]
            *sources, target = [word for word in one.words if not word.startswith("--")]
            found.append(("".join(origin), sources, target))
    return found


def test_it_is_made_of_stages_on_a_pinned_image() -> None:
    bases = [one.words for one in INSTRUCTIONS if one.name == "FROM"]
    assert len(bases) == 3
    names = {words[2] for words in bases if len(words) == 3}
    for image, *_ in bases:
        assert image in names or re.fullmatch(r"python:3\.12\.\d+-slim-\w+", image), image
    assert not any(one.name == "ADD" for one in INSTRUCTIONS)


def test_what_is_copied_is_there_and_not_ignored() -> None:
    rules = [line for line in DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines() if line]
    allowed = [rule[1:] for rule in rules if rule.startswith("!")]
    sources = [source for stage in range(LAST) for origin, of, _ in copied(stage) if not origin for source in of]
    assert {"requirements.lock", "requirements-tools.lock", "conf", "netheal", "jobs", "api", "udfs"} <= set(sources)
    for source in sources:
        assert (PROJECT_ROOT / source).exists(), source
        assert any(fnmatch(source, rule) or source.startswith(f"{rule}/") for rule in allowed), source
    for rule in allowed:
        assert any(source == rule or source.startswith(f"{rule}/") for source in sources), f"{rule} is not used"


def test_the_last_stage_takes_what_the_one_before_has_and_puts_it_at_the_same_place() -> None:
    before = {source for origin, of, _ in copied(LAST - 1) if not origin for source in of} | _MADE
    taken = copied(LAST)
    assert taken and all(origin == "build" for origin, _, _ in taken)
    for _, (source,), target in taken:
        assert source == f"/opt/netheal/{target}" and target in before, source
    folders = {one.text for one in INSTRUCTIONS if one.name == "WORKDIR"}
    assert folders == {"/opt/netheal"}, "an environment works where it was made"


def test_requirements_are_hashed_and_jars_come_by_ivy() -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    assert "make .venv/.synced" in DOCKERFILE.read_text() and "make setup" in DOCKERFILE.read_text()
    assert "pip sync --require-hashes requirements.lock" in makefile and "-m netheal.embedded.jars" in makefile


def test_the_last_stage_is_no_root_and_builds_nothing() -> None:
    last = [one for one in INSTRUCTIONS if one.stage == LAST]
    assert [one.text for one in last if one.name == "USER"] == ["10001:10001"]
    assert last[-1].name == "CMD" and last[-2].name == "USER"
    runs = " ".join(one.text for one in last if one.name == "RUN")
    assert "pip uninstall" in runs and "apt-get" not in runs and "make" not in runs.split()
    assert "uv pip uninstall setuptools" in " ".join(one.text for one in INSTRUCTIONS)
    first = " ".join(one.text for one in INSTRUCTIONS if one.stage == 0 and one.name == "RUN")
    installed = first.partition("--no-install-recommends")[2].partition("&&")[0].split()
    assert installed == ["openjdk-17-jre-headless"]


def test_volumes_begin_as_folders_of_our_user() -> None:
    """A new volume belongs to whom the folder of the image belongs to that it is mounted on."""
    (run,) = [one.text for one in INSTRUCTIONS if one.stage == LAST and one.name == "RUN"]
    made = {
        word
        for install in re.findall(r"install --directory --owner 10001 --group 10001 --mode 07[05]0 ([^&]+)", run)
        for word in install.split()
    }
    ours = [service for service in compose_file()["services"].values() if "build" in service]
    wanted = {target for service in ours for source, target in mounted(service).items() if host_path(source) is None}
    assert wanted == made
    assert Path(image_environment()["NETHEAL_VAR_DIR"]) in map(Path, made)


def test_python_writes_nothing_beside_its_code() -> None:
    environment = image_environment()
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1" and environment["HOME"] == "/tmp"
    assert environment["PATH"].startswith("/opt/netheal/.venv/bin:")
    assert environment["PYSPARK_PYTHON"] == "/opt/netheal/.venv/bin/python"
