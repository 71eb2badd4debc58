"""The jars that are not in a wheel."""

from pathlib import Path

from netheal.errors import SettingsError


def spark_jars(folder: Path) -> list[Path]:
    """What the job adds to pyspark's own jars."""
    return _list(folder / "spark")


def broker_jars(folder: Path) -> list[Path]:
    """What the embedded broker runs from."""
    return _list(folder / "broker")


def _list(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.jar"))
    if not found:
        raise SettingsError(f"there are no jars in {folder}: run `make setup`")
    return found
