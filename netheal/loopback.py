"""Which addresses are this machine itself."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether an address, or the name localhost, is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
