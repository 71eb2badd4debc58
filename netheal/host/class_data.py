"""The class-data archive of Spark's JVM: classes as they are in memory, which it would parse at each start otherwise.

It saves a third of what a start computes. A JVM that did not make it, or that has other jars, ignores it.
"""

from pathlib import Path

_SILENT = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off")


def archive_file(jars: Path) -> Path:
    """Where the archive lies, beside the jars in that folder."""
    return jars / "spark.jsa"


def reading(archive: Path) -> tuple[str, ...]:
    """Options of a JVM that reads the archive; none where there is none."""
    return (f"-XX:SharedArchiveFile={archive}", *_SILENT) if archive.is_file() else ()


def writing(archive: Path) -> tuple[str, ...]:
    """Options of a JVM that writes the archive as it ends, which takes it some seconds."""
    return (f"-XX:ArchiveClassesAtExit={archive}", *_SILENT)
