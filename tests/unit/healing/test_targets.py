"""An action is about one host that others can reach, or about nothing."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netheal.healing.targets import host_target, host_targets

HOSTS = [
    ("192.0.2.7", "192.0.2.7"),
    ("10.0.0.1", "10.0.0.1"),
    ("100.64.0.1", "100.64.0.1"),
    ("2001:DB8:0:0::7", "2001:db8::7"),
    ("fd00::1", "fd00::1"),
    ("::ffff:192.0.2.7", "192.0.2.7"),
    ("::FFFF:c000:207", "192.0.2.7"),
]
NO_HOSTS = {
    "a command": "$(touch /x);10.0.0.1 -j ACCEPT",
    "nothing": "",
    "a word": "unknown",
    "a host name": "attacker.example",
    "a placeholder": "{src_ip}",
    "everything": "0.0.0.0/0",
    "one host as a network": "10.0.0.1/32",
    "a range": "10.0.0.1-10.0.0.9",
    "two": "10.0.0.1,10.0.0.2",
    "with a port": "10.0.0.1:80",
    "white space before": " 10.0.0.1",
    "a newline behind": "10.0.0.1\n",
    "a NUL behind": "10.0.0.1\0",
    "octal": "010.0.0.1",
    "hexadecimal": "0x0a000001",
    "a number": "167772161",
    "three parts": "10.0.1",
    "other digits": "١٠.0.0.1",
    "loopback": "127.0.0.1",
    "loopback, not the first": "127.255.255.254",
    "loopback 6": "::1",
    "loopback, mapped": "::ffff:127.0.0.1",
    "unspecified": "0.0.0.0",
    "this network": "0.1.2.3",
    "unspecified 6": "::",
    "unspecified, mapped": "::ffff:0.0.0.0",
    "multicast": "224.0.0.251",
    "multicast 6": "ff02::1",
    "multicast, mapped": "::ffff:224.0.0.1",
    "broadcast": "255.255.255.255",
    "broadcast, mapped": "::ffff:255.255.255.255",
    "reserved": "240.0.0.1",
    "reserved 6": "4000::1",
    "link-local": "169.254.169.254",
    "link-local 6": "fe80::1",
    "with a zone": "fe80::1%eth0",
    "a global one with a zone": "2001:db8::1%eth0",
    "a zone that is a command": "2001:db8::1%$(touch /x)",
    "in brackets": "[2001:db8::1]",
    "long": "1" * 1_024,
}


@pytest.mark.parametrize(("text", "target"), HOSTS)
def test_one_host_is_a_target_in_canonical_text(text: str, target: str) -> None:
    assert host_target(text) == target


@pytest.mark.parametrize("text", NO_HOSTS.values(), ids=NO_HOSTS.keys())
def test_what_is_not_one_host_is_no_target(text: str) -> None:
    assert host_target(text) is None


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(st.one_of(addresses.map(str), addresses.map(lambda a: a.exploded), st.text(max_size=50)))
def test_a_target_is_canonical_and_stays_what_it_is(text: str) -> None:
    target = host_target(text)
    if target is None:
        return
    address = ip_address(target)
    assert (str(address), host_target(target)) == (target, target)
    assert not (address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved)
    assert not (isinstance(address, IPv6Address) and (address.scope_id or address.ipv4_mapped))


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_treated_as_the_one_that_is_meant(address: IPv4Address) -> None:
    assert host_target(f"::ffff:{address}") == host_target(str(address))


def test_a_column_is_looked_at_row_by_row() -> None:
    column = pa.array(["10.0.0.1", None, "nobody", "::ffff:10.0.0.1", "10.0.0.1"])
    assert host_targets(column) == ["10.0.0.1", None, None, "10.0.0.1", "10.0.0.1"]
    assert host_targets(pa.nulls(2, pa.string())) == [None, None]
    assert host_targets(pa.array([], pa.string())) == []
