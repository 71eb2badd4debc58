"""When two spellings of a name are the same to a reader of files."""

import re

_OTHERS = re.compile(r"[^0-9a-z]+")


def header_key(header: str) -> str:
    """What two spellings of one header have in common.

    >>> header_key(" Flow Bytes/s ") == header_key("FLOW_BYTES_S")
    True
    """
    return _OTHERS.sub("_", header.lower()).strip("_")
