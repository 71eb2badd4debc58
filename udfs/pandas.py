"""Pandas UDFs over a broadcast bundle, for notebooks and SQL: features in, a score, a class or a confidence out.

    threat_score = threat_score_udf(spark, bundle)
    flows.select(threat_score(struct(*bundle.contract.columns)))

A UDF takes one struct whose fields are the features, by stored column name or by wire name, others being
ignored; or the features themselves, in the contract's order. Rows go through the same check and the same
scoring as in the stream; a row that the stream would reject (a missing feature, NaN, a value out of range,
an unknown category) gives null.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import SparkSession
from pyspark.sql.pandas.functions import pandas_udf

from netheal.bundles.served import ServedBundle
from netheal.contracts import Contract, Feature, attack_classes
from netheal.contracts.contract import ModelType
from netheal.errors import ContractError
from netheal.records.decoded import FloatArray
from netheal.scoring.model import ServedModel
from netheal.verdicts.model_rows import model_rows
from udfs.workers import loaded_model

_NUMBERS = ("floating", "integer", "decimal")
ModelOutput = Callable[[ServedModel, FloatArray], npt.NDArray[Any]]
Udf = Callable[..., Any]
"""What `pandas_udf` gives: called with columns, it is a column."""


def threat_score_udf(spark: SparkSession, bundle: ServedBundle) -> Udf:
    """The score of a threat detector, double in [0, 1]; raises ContractError for another kind of model."""
    return _udf(spark, bundle, "threat_detector", "double", ServedModel.threat_scores)


def attack_class_udf(spark: SparkSession, bundle: ServedBundle) -> Udf:
    """The class name that an attack classifier gives, a string; raises as `threat_score_udf`."""
    return _udf(spark, bundle, "attack_classifier", "string", _class_names)


def attack_confidence_udf(spark: SparkSession, bundle: ServedBundle) -> Udf:
    """The probability of the class that an attack classifier gives, double in [0, 1]; raises likewise."""
    return _udf(spark, bundle, "attack_classifier", "double", _confidences)


def register(spark: SparkSession, bundle: ServedBundle, name: str) -> None:
    """Make the bundle known to SQL: `name` is the score of a threat detector, or the class of an attack
    classifier, whose confidence is then `name_confidence`."""
    if bundle.manifest.model_type == "threat_detector":
        spark.udf.register(name, threat_score_udf(spark, bundle))
        return
    spark.udf.register(name, attack_class_udf(spark, bundle))
    spark.udf.register(f"{name}_confidence", attack_confidence_udf(spark, bundle))


def _udf(spark: SparkSession, bundle: ServedBundle, model_type: ModelType, kind: str, answer: ModelOutput) -> Udf:
    if bundle.manifest.model_type != model_type:
        raise ContractError(
            f"{bundle.manifest.version} is of type {bundle.manifest.model_type}: a model of type {model_type} is needed"
        )
    shared: Broadcast[ServedBundle] = spark.sparkContext.broadcast(bundle)

    def scored(*features: pd.Series) -> pd.Series:
        return _answers(loaded_model(shared.value), features, answer)

    made: Udf = pandas_udf(scored, returnType=kind)  # type: ignore[call-overload]
    return made


def _answers(model: ServedModel, features: tuple[Any, ...], answer: ModelOutput) -> pd.Series:
    """The answer for each row, null where the row is not acceptable."""
    everywhere = pd.RangeIndex(len(features[0]))
    rows = model_rows(model, _table(model.bundle.contract, features))
    if not len(rows.rows):
        return pd.Series(None, index=everywhere, dtype=object)
    return pd.Series(answer(model, rows.matrix), index=rows.rows).reindex(everywhere)


def _class_names(model: ServedModel, rows: FloatArray) -> npt.NDArray[Any]:
    return np.array(attack_classes().names, dtype=object)[model.attack_scores(rows).class_id]


def _confidences(model: ServedModel, rows: FloatArray) -> FloatArray:
    return model.attack_scores(rows).confidence


def _by_feature(contract: Contract, features: tuple[Any, ...]) -> dict[str, pd.Series]:
    """Wire name -> column; raises ContractError where the columns are not those of the contract."""
    if len(features) == 1 and isinstance(features[0], pd.DataFrame):
        frame = features[0]
        named = {f.name: f.column if f.column in frame else f.name for f in contract.features}
        missing = [name for name, column in named.items() if column not in frame]
        if missing:
            raise ContractError(f"{contract.id}: the struct lacks {', '.join(map(repr, missing))}")
        return {name: frame[column] for name, column in named.items()}
    if len(features) != len(contract.features):
        raise ContractError(f"{contract.id} has {len(contract.features)} features, {len(features)} columns were given")
    return dict(zip(contract.names, features, strict=True))


def _table(contract: Contract, features: tuple[Any, ...]) -> pa.Table:
    """The features under wire names; raises ContractError where they are not those of the contract."""
    columns = _by_feature(contract, features)
    return pa.table({feature.name: _arrow_column(feature, columns[feature.name]) for feature in contract.features})


def _arrow_column(feature: Feature, column: pd.Series) -> pa.Array:
    """Numbers as doubles, a category's strings as strings; pandas has NaN for null, so NaN becomes null."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind in _NUMBERS:
        return pa.array(column.to_numpy(np.float64, na_value=np.nan), from_pandas=True)
    if kind == "empty":
        return pa.nulls(len(column), pa.float64())
    if feature.category and kind == "string":
        return pa.array(column.astype(object), pa.string(), from_pandas=True)
    raise ContractError(f"{feature.name!r} is not a column of numbers{' or strings' if feature.category else ''}")
