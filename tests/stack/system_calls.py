"""What a program and all its children did to the network and to files, as strace saw it."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_FILES = "openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
_NETWORK = "connect,bind,sendto,sendmsg,sendmmsg"
_CALL = re.compile(r"^(?P<pid>\d+) +(?P<text>.*)$")
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(?P<rest>.*)$")
_OPENED = re.compile(r"\) += \d+<(?P<path>/[^>]*)>$")
_WRITING = re.compile(r"\bO_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)\b")
_ABSOLUTE = re.compile(r'"(/[^"]*)"')
_ADDRESS = re.compile(r'(?:inet_addr\("|inet_pton\(AF_INET6, ")(?P<address>[^"]+)"')


@dataclass(frozen=True)
class Seen:
    """Files that were opened for writing, made or renamed; addresses that were named to the network."""

    written: frozenset[Path]
    addresses: frozenset[str]

    def beyond_loopback(self) -> list[str]:
        return sorted(address for address in self.addresses if not _is_loopback(address))


def traced(log: Path) -> list[str]:
    """What to put before a command, so that `read_trace(log)` tells of it and its children."""
    return [
        "strace",
        "-f",
        "-y",
        "--seccomp-bpf",
        "-qq",
        "-s",
        "400",
        "-o",
        str(log),
        "-e",
        f"trace={_FILES},{_NETWORK}",
    ]


def read_trace(log: Path) -> Seen:
    """Of calls that succeeded, and of those to the network whatever came of them."""
    written: set[Path] = set()
    addresses: set[str] = set()
    with log.open(errors="replace") as lines:
        for call in _whole_calls(lines):
            name = call.partition("(")[0]
            if name in _NETWORK.split(","):
                addresses |= {match["address"] for match in _ADDRESS.finditer(call)}
            elif " = -1 " not in call:
                written |= set(_paths(name, call))
    return Seen(frozenset(written), frozenset(addresses))


def _paths(name: str, call: str) -> Iterator[Path]:
    if name in ("open", "openat", "creat"):
        opened = _OPENED.search(call)
        if opened and (name == "creat" or _WRITING.search(call)):
            yield Path(opened["path"].removesuffix(" (deleted)"))
    else:
        yield from map(Path, _ABSOLUTE.findall(call))


def _whole_calls(lines: Iterable[str]) -> Iterator[str]:
    """One line a call, also of those that another thread's call came between."""
    begun: dict[str, str] = {}
    for line in lines:
        match = _CALL.match(line.rstrip("\n"))
        if match is None:
            continue
        pid, text = match["pid"], match["text"]
        resumed = _RESUMED.match(text)
        if text.endswith("<unfinished ...>"):
            begun[pid] = text.removesuffix("<unfinished ...>")
        elif resumed:
            yield begun.pop(pid, "") + resumed["rest"]
        else:
            yield text
    yield from begun.values()


def _is_loopback(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return ((address.version == 6 and address.ipv4_mapped) or address).is_loopback
