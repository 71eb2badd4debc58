"""Which addresses an action may be about: one host that others can reach, whatever a sensor wrote into its envelope."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

import pyarrow as pa

_THIS_NETWORK = IPv4Network("0.0.0.0/8")


def host_target(text: str | None) -> str | None:
    """The canonical text of the host that `text` names, an IPv4 one where it is mapped into IPv6; None for no host.

    No host are networks, ranges, names, an address with anything around it (white space, a port, a zone), and
    addresses that are never one host's on a network that is routed: loopback, unspecified and the rest of
    0.0.0.0/8, multicast, broadcast, link-local (a gateway or a cloud's metadata service may be behind it, and it
    means another host on each link), reserved (240.0.0.0/4, and of IPv6 what is unassigned).
    """
    if text is None or "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return None if _is_no_host(address) else str(address)


def _is_no_host(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address) and address in _THIS_NETWORK:
        return True
    return (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or address.is_link_local
        or address.is_reserved
    )


def host_targets(texts: pa.Array) -> list[str | None]:
    """`host_target` of strings, each different one looked at once."""
    encoded = texts.dictionary_encode()
    known = [host_target(text) for text in encoded.dictionary.to_pylist()]
    return [None if at is None else known[at] for at in encoded.indices.to_pylist()]
