"""Which names the API answers to, and which web pages may use it.

A page of any site can make a browser on this machine send requests to loopback, or (DNS rebinding) give its own
name the address of loopback. The first shows in `Origin`, the second in `Host`; both are looked at in every request.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from netheal.loopback import split_host
from netheal.settings import Settings

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_WILDCARDS = frozenset({"", "0.0.0.0", "::"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class AllowedHosts:
    """The names and pages of one API."""

    api_host: str
    hosts: frozenset[str]
    origins: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> "AllowedHosts":
        """As the settings say."""
        origins = frozenset(origin.rstrip("/").lower() for origin in settings.api.origins)
        return cls(settings.api.host.lower(), frozenset(map(str.lower, settings.api.hosts)), origins)

    def answers_to(self, host: str, server_port: int, scheme: str = "http") -> bool:
        """Whether a Host header names this API, which listens on `server_port`.

        A name of the setting api_hosts may come with any port (a proxy's, say) unless it is given with one.
        """
        name, port = split_host(host)
        if not name:
            return False
        if name in self.hosts or host.lower() in self.hosts:
            return True
        if (port or _DEFAULT_PORTS.get(scheme, 80)) != server_port:
            return False
        if name in _LOOPBACK_NAMES or name == self.api_host:
            return True
        return self.api_host in _WILDCARDS and _address(name) is not None

    def may_use(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may use the API: its own (that of `host`), and those of the setting."""
        return origin.lower() in {f"http://{host.lower()}", f"https://{host.lower()}"} | self.origins


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
