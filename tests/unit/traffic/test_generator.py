"""Generated traffic is the same for a seed, lies in the contracts, and is broken only where it should be."""

import ipaddress
import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from netheal.contracts import attack_classes, contract
from netheal.traffic.broken import BROKEN, Broken, break_message
from netheal.traffic.generator import TrafficGenerator
from netheal.traffic.mix import Kind, default_mix
from netheal.traffic.profiles import shipped_profile

RANGES = ("192.168.0.0/16", "10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
ENVELOPE = {"event_id", "event_time", "sensor_id", "src_ip", "dst_ip", "src_port", "protocol", "extractor"}


def rows_of(seed: int, count: int, **options: Any) -> list[dict[str, Any]]:
    return [json.loads(message) for message in TrafficGenerator(seed, broken_share=0.0, **options).messages(count)]


def test_the_same_seed_gives_the_same_messages_however_they_are_asked_for() -> None:
    whole = TrafficGenerator(11).messages(5_000)
    parts = TrafficGenerator(11)
    assert [message for size in (1, 1_999, 3_000) for message in parts.messages(size)] == whole
    assert TrafficGenerator(12).messages(5_000) != whole


def test_sound_rows_lie_in_the_ranges_of_their_contract() -> None:
    for row in rows_of(3, 6_000):
        fitting = [c for c in map(contract, ("attack/v1", "threat/v1")) if set(c.names) <= set(row)]
        assert fitting
        assert set(row) >= ENVELOPE
        for feature in (feature for wire in fitting for feature in wire.features):
            value = row[feature.name]
            assert isinstance(value, str) if feature.category else feature.minimum <= value <= feature.maximum


@pytest.mark.parametrize("kind", ["attack/v1", "threat/v1", "threat/v2", "both"])
def test_a_kind_of_message_has_the_features_of_its_contracts_and_no_others(kind: Kind) -> None:
    ids = ["attack/v1", "threat/v1"] if kind == "both" else [kind]
    names = {name for contract_id in ids for name in contract(contract_id).names}
    rows = rows_of(5, 50, mix=replace(default_mix(), contracts={kind: 1.0}))
    assert all(set(row) == names | ENVELOPE for row in rows)


def test_counts_are_integers_and_the_sentinel_stays() -> None:
    rows = [row for row in rows_of(4, 3_000) if " Flow Duration" in row]
    assert all(isinstance(row[name], int) for row in rows for name in (" Destination Port", " Flow Duration"))
    windows = [row["Init_Win_bytes_forward"] for row in rows]
    assert 0.2 < windows.count(-1) / len(windows) < 0.9


def test_addresses_are_private_or_for_documentation_and_events_are_in_order() -> None:
    networks = [ipaddress.ip_network(text) for text in RANGES]
    rows = rows_of(6, 3_000, rows_per_s=100.0)
    for row in rows:
        for name in ("src_ip", "dst_ip"):
            assert any(ipaddress.ip_address(row[name]) in network for network in networks)
    assert len({row["event_id"] for row in rows}) == len(rows)
    times = [row["event_time"] for row in rows]
    assert times == sorted(times)
    assert (times[0], times[-1]) == ("2024-12-01T00:00:00.000Z", "2024-12-01T00:00:29.990Z")


def test_mostly_benign_with_an_episode_in_the_first_few_hundred_rows() -> None:
    for seed in range(10):
        attacks = [row["src_ip"].startswith(("198.51.100.", "203.0.113.")) for row in rows_of(seed, 4_000)]
        assert sum(attacks[:300]) > 5
        assert sum(attacks) < 2_000


def test_every_kind_of_broken_message_comes() -> None:
    broken = TrafficGenerator(1, broken_share=1.0).messages(2_000)
    assert {way_of(message) for message in broken} == set(BROKEN)
    some = [way_of(message) for message in TrafficGenerator(1, broken_share=0.05).messages(8_000)]
    assert 0.03 < sum(way is not None for way in some) / len(some) < 0.07


@pytest.mark.parametrize("way", BROKEN)
def test_a_message_is_broken_in_the_way_that_was_asked_for(way: Broken) -> None:
    mix = replace(default_mix(), contracts={"threat/v1": 1.0})
    (sound,) = TrafficGenerator(2, mix, broken_share=0.0).messages(1)
    assert way_of(sound) is None
    assert way_of(break_message(way, sound, contract("threat/v1"), np.random.default_rng(0))) == way


def test_the_mix_names_classes_of_the_profiles() -> None:
    mix = default_mix()
    attacks, threats = shipped_profile("attack").classes, shipped_profile("threat").classes
    assert set(attacks) == set(attack_classes().names)
    assert {episode.attack for episode in (mix.benign, *mix.episodes)} == set(attacks)
    assert {name for episode in (mix.benign, *mix.episodes) for name in episode.threat} <= set(threats)


def way_of(message: bytes) -> Broken | None:
    """What a strict reader finds wrong with a message, told apart without the product's own decoder."""
    if not message:
        return "empty"
    try:
        text = message.decode()
    except UnicodeDecodeError:
        return "not_utf8"
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        return "trailing_data" if error.msg == "Extra data" else "not_json"
    return "array" if isinstance(row, list) else _way_of_row(row)


def _way_of_row(row: dict[str, Any]) -> Broken | None:
    wires = [contract("attack/v1"), contract("threat/v1")]
    wire = max(wires, key=lambda value: len(set(value.names) & set(row)) / len(value.names))
    if not set(wire.names) & set(row):
        return "no_contract"
    for feature in wire.features:
        value = row.get(feature.name)
        if value is None:
            return "missing_feature"
        if isinstance(value, dict):
            return "nested_value"
        if isinstance(value, bool):
            return "boolean_for_number"
        if feature.category:
            if value not in shipped_profile("threat").words[feature.name]:
                return "unknown_category"
        elif isinstance(value, str):
            return "string_for_number"
        elif value != value:
            return "nan"
        elif not feature.minimum <= value <= feature.maximum:
            return "out_of_range"
    return None


@pytest.mark.parametrize("name", ["attack", "threat"])
def test_a_profile_holds_statistics_of_groups_and_is_small(name: str) -> None:
    profile = shipped_profile(name)
    assert all(min(profile.rows_by_group(class_name)) >= 5 for class_name in profile.classes)
    assert len((files("netheal.traffic") / "profiles" / f"{name}.json").read_bytes()) < 250_000
