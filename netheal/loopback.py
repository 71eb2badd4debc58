"""Which addresses and host names are this machine itself."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether an address, or the name localhost, is this machine itself."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def split_host(host: str) -> tuple[str, int | None]:
    """Name in lower case, and port, of `name`, `name:port` or `[address]:port`; ("", None) for what is neither.

    >>> split_host("Netheal.example:8443"), split_host("[::1]"), split_host("a@b")
    (('netheal.example', 8443), ('::1', None), ('', None))
    """
    try:
        parts = urlsplit(f"//{host}")
        if parts.username is not None or parts.path or parts.query or parts.fragment:
            return "", None
        return parts.hostname or "", parts.port
    except ValueError:
        return "", None
