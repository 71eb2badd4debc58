"""Which files a run reads, and in which units."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from netheal.contracts import Contract
from netheal.errors import ContractError, SettingsError
from netheal.records.flow_files import flow_spans
from netheal.rescoring.plan import InputFile, Unit

UNIT_BYTES = 32 * 2**20
_SUFFIXES = (".csv", ".txt", ".parquet")
_PACKED = ("", ".gz", ".zst")
_ENDINGS = tuple(suffix + packed for suffix in _SUFFIXES for packed in _PACKED)


def find_inputs(patterns: Sequence[str]) -> list[InputFile]:
    """The files that are named by paths, globs and folders (all flow files below one), each once, by path.

    Raises SettingsError where a name is that of nothing, or no file is found.
    """
    found = sorted({path for pattern in patterns for path in _files_of(pattern)})
    if not found:
        raise SettingsError(f"no flow files in {', '.join(patterns)}: their names end in {', '.join(_SUFFIXES)}")
    files = []
    for path in found:
        state = path.stat()
        files.append(InputFile(str(path), state.st_size, state.st_mtime_ns))
    return files


def _files_of(pattern: str) -> Iterator[Path]:
    path = Path(pattern).absolute()
    named = [path] if path.exists() else list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    if not named:
        raise SettingsError(f"there is no file, folder or match of {pattern}")
    for path in named:
        if path.is_dir():
            yield from (file for file in path.rglob("*") if file.is_file() and file.name.lower().endswith(_ENDINGS))
        else:
            yield path


def file_units(
    files: Iterable[InputFile], contracts: Sequence[Contract], unit_bytes: int = UNIT_BYTES
) -> tuple[list[Unit], dict[str, str]]:
    """The units of the files, and the files that are no flow files, and why."""
    units: list[Unit] = []
    errors: dict[str, str] = {}
    for file in files:
        try:
            spans = flow_spans(Path(file.path), contracts, unit_bytes)
        except (ContractError, SettingsError) as error:
            errors[file.path] = str(error)
            continue
        for span in spans:
            units.append(Unit(len(units), [file.path], file.size // len(spans), span))
    return units, errors
