"""The files of a Delta table, wherever it is."""

from pyarrow.fs import FileSelector, FileSystem, FileType


def filesystem_of(location: str) -> tuple[FileSystem, str]:
    """The file system of a table, and the table's folder in it."""
    files, folder = FileSystem.from_uri(location if "://" in location else f"file://{location}")
    return files, folder


def bytes_on_disk(location: str) -> int:
    """All files of a table, its log and those that are in no version any more among them."""
    files, folder = filesystem_of(location)
    found = files.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
    return sum(info.size or 0 for info in found if info.type == FileType.File)


def sizes_of(location: str, paths: list[str]) -> int:
    """Bytes of these files, which are named from the table on; one that is gone has none."""
    files, folder = filesystem_of(location)
    return sum(info.size or 0 for info in files.get_file_info([f"{folder}/{path}" for path in paths]))
