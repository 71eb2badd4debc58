"""Whether a proxy passed a request on: its peer address is the proxy's then, and says nothing about the caller."""

from collections.abc import Iterable

from flask import Request

_HEADERS = frozenset(
    {"forwarded", "via", "client-ip", "x-client-ip", "x-cluster-client-ip", "x-real-ip", "true-client-ip", "cdn-loop"}
)
_PREFIXES = ("x-forwarded", "x-original-", "x-proxy", "x-envoy-", "x-amzn-", "x-azure-", "cf-", "fastly-")
_OLD_PROTOCOL = "HTTP/1.0"
"""What nginx speaks to its upstream servers unless told otherwise, adding no header; browsers and clients do not."""


def is_forwarded(request: Request) -> bool:
    """Whether anything about the request says that it came through a proxy."""
    return request.environ.get("SERVER_PROTOCOL") == _OLD_PROTOCOL or _has_proxy_header(request.headers.keys())


def _has_proxy_header(names: Iterable[str]) -> bool:
    return any(name in _HEADERS or name.startswith(_PREFIXES) for name in map(str.lower, names))
