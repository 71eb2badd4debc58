"""What a Spark Python worker keeps between tasks: loaded models and decoders, by content hash."""

import gc
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from netheal.bundles.served import ServedBundle
from netheal.contracts import Contract
from netheal.healing.policy import Policy, parse_policy
from netheal.records.decode import MessageDecoder
from netheal.records.vocabulary import vocabulary
from netheal.scoring.loaded import LoadedModels
from netheal.scoring.model import ServedModel

_COLLECT_AFTER = 100_000
_MODELS = LoadedModels()
_POLICIES: dict[str, Policy] = {}
_DECODERS: dict[tuple[Contract, ...], MessageDecoder] = {}


def decoder(contracts: tuple[Contract, ...]) -> MessageDecoder:
    """The decoder of these contracts, made once while they are in force: the one of the newest batch is kept."""
    if contracts not in _DECODERS:
        _DECODERS.clear()
        _DECODERS[contracts] = MessageDecoder(vocabulary(contracts))
    return _DECODERS[contracts]


@cache
def freeze_gc() -> None:
    """Let the garbage collector alone with what stays: rows are short-lived and free of cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def loaded_model(bundle: ServedBundle) -> ServedModel:
    """The model of a bundle, loaded once a process."""
    return _MODELS.get(bundle.hash, lambda: bundle)


def forget_models_but(bundle_hashes: Collection[str]) -> None:
    """Give back the memory of all models but these."""
    _MODELS.keep(bundle_hashes)


def parsed_policy(version: str, document: Mapping[str, Any]) -> Policy:
    """A policy, parsed once while it is in use: the one of the newest batch is kept."""
    if version not in _POLICIES:
        policy = parse_policy(dict(document))
        _POLICIES.clear()
        _POLICIES[version] = policy
    return _POLICIES[version]
