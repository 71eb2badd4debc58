"""Files of Delta tables and of artefacts, wherever they are: a folder, or a file: s3: s3a: or hdfs: URI.

Where an object store is and who may use it stands in the environment, under the names that its own tools have
(AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …).
"""

from collections.abc import Mapping

import pyarrow as pa
from fsspec import AbstractFileSystem
from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from netheal.errors import ServiceUnavailable, SettingsError
from netheal.host.fsync import local_folder


def filesystem_of(location: str) -> tuple[FileSystem, str]:
    """The file system of a location, and its folder in it; raises SettingsError where there is no client for it."""
    folder = local_folder(location)
    if folder is not None:
        return LocalFileSystem(), str(folder)
    try:
        files, path = FileSystem.from_uri(location)
    except (OSError, pa.ArrowInvalid) as error:
        words = " ".join(str(error).split())
        raise SettingsError(f"{location} cannot be opened: {words}. docs/cluster.md says what it needs") from error
    return files, path


def fsspec_of(location: str) -> tuple[AbstractFileSystem, str]:
    """The same file system by fsspec's interface."""
    files, folder = filesystem_of(location)
    return ArrowFSWrapper(files), folder.rstrip("/")


def require_reachable(locations: Mapping[str, str]) -> None:
    """See at a start that locations (setting -> folder or URI) that are no folders can be read.

    Raises SettingsError where there is no client for one, ServiceUnavailable where one does not answer.
    """
    for setting, location in locations.items():
        if local_folder(location) is None:
            files, folder = filesystem_of(location)
            try:
                files.get_file_info(FileSelector(folder, allow_not_found=True))
            except OSError as error:
                words = " ".join(str(error).split())
                raise ServiceUnavailable(f"{setting} is {location}, which does not answer: {words}") from error


def bytes_on_disk(location: str) -> int:
    """All files of a table, its log and those that are in no version any more among them."""
    files, folder = filesystem_of(location)
    found = files.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
    return sum(info.size or 0 for info in found if info.type == FileType.File)


def sizes_of(location: str, paths: list[str]) -> int:
    """Bytes of these files, which are named from the table on; one that is gone has none."""
    files, folder = filesystem_of(location)
    return sum(info.size or 0 for info in files.get_file_info([f"{folder}/{path}" for path in paths]))
