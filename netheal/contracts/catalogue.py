"""The features that are known: those of NSL-KDD and of CIC-IDS2017, the shipped contracts' among them."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from netheal.contracts.feature import Feature, parse_feature

CATALOGUE_FILES = ("features_nsl_kdd.json", "features_cic_ids2017.json")


@cache
def known_features() -> Mapping[str, Feature]:
    """Every known feature by its name on the wire, 41 of NSL-KDD and 78 of CIC-IDS2017, in the data sets' order.

    >>> known_features()[" Flow Duration"].unit
    'us'
    """
    data = files("netheal.contracts") / "data"
    documents = [json.loads((data / name).read_text("utf-8")) for name in CATALOGUE_FILES]
    features = [parse_feature(entry) for document in documents for entry in document["features"]]
    return MappingProxyType({feature.name: feature for feature in features})
