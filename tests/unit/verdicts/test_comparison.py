"""A new model is tried on stored rows beside the active one."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from netheal.bundles.served import ServedBundle
from netheal.contracts.schema import category_column
from netheal.scoring.comparison import Comparison, count_differing
from netheal.scoring.model import ServedModel
from netheal.verdicts.comparison import columns_of, common_rows

ROWS = 300


def compare(model: ServedModel, other: ServedModel, rows: pa.Table) -> Comparison:
    return count_differing(model, other, *common_rows(model, other, rows))


def rows_for(bundle: ServedBundle, rows: int = ROWS) -> pa.Table:
    """Stored rows with every feature, no category as a string."""
    rng = np.random.default_rng(7)
    columns = {}
    for feature in bundle.contract.features:
        most = min(feature.maximum, 50.0)
        columns[feature.column] = pa.array(np.round(rng.uniform(0, most, rows), 2))
        if feature.category:
            columns[feature.column] = pa.array(rng.integers(0, 3, rows).astype(float))
            columns[category_column(feature.column)] = pa.nulls(rows, pa.string())
    return pa.table(columns)


@pytest.mark.parametrize("name", ["threat_bundle", "attack_bundle"])
def test_a_model_agrees_with_itself(name: str, request: pytest.FixtureRequest) -> None:
    bundle = request.getfixturevalue(name)
    model, table = ServedModel(bundle), rows_for(bundle)
    assert set(columns_of(model)) == set(table.column_names)
    assert compare(model, model, table) == Comparison(ROWS, 0)


def test_every_row_that_is_answered_otherwise_counts(threat_bundle: ServedBundle) -> None:
    table = rows_for(threat_bundle)
    model = ServedModel(threat_bundle)
    strict = ServedModel(ServedBundle(replace(threat_bundle.manifest, threshold=2.0), threat_bundle.onnx))
    features = np.column_stack([table[f.column].to_numpy() for f in threat_bundle.contract.features])
    attacks = int((model.threat_scores(features) >= model.threshold).sum())
    assert attacks > 0
    assert compare(strict, model, table) == Comparison(ROWS, attacks)


def test_rows_that_lack_a_feature_are_left_out(attack_bundle: ServedBundle) -> None:
    table = rows_for(attack_bundle)
    name = table.column_names[5]
    with_gaps = pa.array([None if at % 3 == 0 else 1.0 for at in range(ROWS)], pa.float64())
    table = table.set_column(5, name, with_gaps)
    model = ServedModel(attack_bundle)
    assert compare(model, model, table) == Comparison(ROWS - 100, 0)


def test_a_string_is_coded_as_each_model_codes_it(threat_bundle: ServedBundle) -> None:
    """The same words in another order of codes: both models see the same rows, and one answers as the other."""
    table = rows_for(threat_bundle)
    feature = next(f for f in threat_bundle.contract.features if f.category)
    words = threat_bundle.manifest.encoders[feature.name]
    column = category_column(feature.column)
    table = table.set_column(table.column_names.index(column), column, pa.array([words[1]] * (ROWS - 1) + ["unheard"]))
    model = ServedModel(threat_bundle)
    assert compare(model, model, table) == Comparison(ROWS - 1, 0)


def test_a_model_without_encoders_is_shown_the_codes_that_are_stored(threat_bundle: ServedBundle) -> None:
    table = rows_for(threat_bundle)
    feature = next(f for f in threat_bundle.contract.features if f.category)
    column = category_column(feature.column)
    word = threat_bundle.manifest.encoders[feature.name][1]
    table = table.set_column(table.column_names.index(column), column, pa.array([word] * ROWS))
    bare = ServedModel(ServedBundle(replace(threat_bundle.manifest, encoders={}), threat_bundle.onnx))
    assert compare(bare, bare, table) == Comparison(ROWS, 0)


def test_no_rows_are_nothing_to_compare(attack_bundle: ServedBundle) -> None:
    model = ServedModel(attack_bundle)
    assert compare(model, model, rows_for(attack_bundle, 0)) == Comparison(0, 0)


def test_no_more_rows_are_compared_than_there_is_time_for(attack_bundle: ServedBundle) -> None:
    model, table = ServedModel(attack_bundle), rows_for(attack_bundle)
    first, second = common_rows(model, model, table)
    assert count_differing(model, model, first, second, limit_s=0) == Comparison(256, 0)
