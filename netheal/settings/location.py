"""Where files may be: a folder, or a URI that Delta, Spark and the registry can all use."""

from typing import Annotated

from pydantic import AfterValidator

_SCHEMES = ("file", "s3", "s3a", "hdfs")


def _require_known(location: str) -> str:
    scheme, _, rest = location.partition(":")
    if "://" not in location and scheme != "file":
        return location
    if scheme not in _SCHEMES or not rest.strip("/"):
        raise ValueError(f"{location} is no location for netheal: name a folder, or a file: s3: s3a: or hdfs: URI")
    if scheme == "file" and not rest.startswith("/"):
        raise ValueError(f"{location} is relative: name the whole path, as in file:/srv/netheal")
    return location


Location = Annotated[str, AfterValidator(_require_known)]
"""A folder, or a file: s3: s3a: or hdfs: URI; empty where it is not set."""


def with_s3_scheme(location: str, s3: str) -> str:
    """The same location for a client whose scheme for S3 is `s3`; a file: URI becomes a folder.

    >>> with_s3_scheme("s3a://lake/delta", "s3"), with_s3_scheme("file:///srv", "s3"), with_s3_scheme("/srv", "s3")
    ('s3://lake/delta', '/srv', '/srv')
    """
    scheme, sign, rest = location.partition(":")
    if not sign or scheme not in _SCHEMES:
        return location
    if scheme == "file":
        return rest.removeprefix("//")
    return f"{s3}:{rest}" if scheme in ("s3", "s3a") else location
