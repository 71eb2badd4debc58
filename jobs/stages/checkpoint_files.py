"""The checkpoint's files where Spark keeps them: a local folder, or any file system that Hadoop knows."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.sql import SparkSession

from netheal.errors import ServiceUnavailable, SettingsError
from netheal.recovery.checkpoint import CheckpointFiles, LocalFiles

_NO_CLIENT = ("ClassNotFoundException", "UnsupportedFileSystemException")


def checkpoint_files(spark: SparkSession, location: str) -> CheckpointFiles:
    """The files of a checkpoint, by the file system that Spark takes its location for."""
    files = HadoopFiles(spark, location)
    return LocalFiles(Path(files.local_path)) if files.local_path is not None else files


class HadoopFiles:
    """A checkpoint on a file system of Hadoop's; raises ServiceUnavailable where that does not answer.

    Raises SettingsError where Spark does not know it.
    """

    def __init__(self, spark: SparkSession, location: str) -> None:
        jvm: Any = spark.sparkContext._jvm
        self._jvm = jvm
        self.location = location.rstrip("/")
        path = self._path("")
        try:
            self._files = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
        except Py4JJavaError as error:
            words = f"cannot open the checkpoint {location}: {error.java_exception}"
            if any(missing in words for missing in _NO_CLIENT):
                raise SettingsError(f"{words}. Spark lacks the jars for it, see docs/cluster.md") from error
            raise ServiceUnavailable(words) from error
        self.local_path = str(path.toUri().getPath()) if self._files.getScheme() == "file" else None

    def names(self, folder: str) -> list[str]:
        """Names in a folder of the checkpoint."""
        try:
            path = self._path(folder)
            return [str(s.getPath().getName()) for s in self._files.listStatus(path)] if self._is_there(path) else []
        except Py4JJavaError as error:
            raise self._unavailable(error) from error

    def read(self, name: str) -> bytes | None:
        """A file's content."""
        path = self._path(name)
        try:
            if not self._is_there(path):
                return None
            stream = self._files.open(path)
            try:
                return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
            finally:
                stream.close()
        except Py4JJavaError as error:
            raise self._unavailable(error) from error

    def is_intact(self, name: str, content: bytes) -> bool:
        """Object stores and HDFS see to it themselves."""
        return True

    def replace(self, files: Mapping[str, bytes], aside: str) -> str | None:
        """The old folder aside, the new one in its place; a stop in between leaves none, which is made anew."""
        fresh = self._jvm.org.apache.hadoop.fs.Path(f"{self.location}.{uuid.uuid4().hex}")
        try:
            for name, content in files.items():
                stream = self._files.create(self._jvm.org.apache.hadoop.fs.Path(fresh, name), False)
                try:
                    stream.write(content)
                finally:
                    stream.close()
            root, old = self._path(""), None
            if self._is_there(root):
                old = f"{self.location}{aside}"
                self._rename(root, self._jvm.org.apache.hadoop.fs.Path(old))
            if files:
                self._rename(fresh, root)
            return old
        except Py4JJavaError as error:
            raise self._unavailable(error) from error

    def _rename(self, old: Any, new: Any) -> None:
        if not self._files.rename(old, new):
            raise ServiceUnavailable(f"cannot rename {old} to {new}: the checkpoint's file system refuses it")

    def _is_there(self, path: Any) -> bool:
        return bool(self._files.exists(path))

    def _path(self, name: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(f"{self.location}/{name}" if name else self.location)

    def _unavailable(self, error: Py4JJavaError) -> ServiceUnavailable:
        return ServiceUnavailable(f"the checkpoint {self.location} does not answer: {error.java_exception}")
