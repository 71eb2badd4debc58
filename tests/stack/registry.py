"""Models of a stream under test, registered past the intake: what tests need that no honest bundle would do."""

import hashlib
from dataclasses import replace

from onnx import TensorProto, helper

from netheal.bundles.served import ServedBundle, read_served
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import ChangeReason, activate, delete, rollback
from netheal.registry.models import Upload, add_model
from netheal.registry.records import ModelRecord
from netheal.store.database import connect
from tests.stack.harness import World

REASON = ChangeReason("test")


def starter(world: World, model_type: str) -> ServedBundle:
    """A starter model, as committed."""
    return read_served(world.settings.paths.starter_models_dir / model_type)


def register(world: World, bundle: ServedBundle) -> ModelRecord:
    """Into the stream's registry, not active."""
    connection = connect(world.dsn)
    try:
        return add_model(connection, Artefacts(world.settings.paths.artefacts_dir), bundle, Upload("test", 0), REASON)
    finally:
        connection.close()


def activate_model(world: World, model: ModelRecord) -> None:
    """From the next batch on."""
    connection = connect(world.dsn)
    try:
        activate(connection, model.id, REASON)
    finally:
        connection.close()


def delete_model(world: World, model_type: str, model_version: str) -> None:
    """For good; its record stays."""
    named = "select id from models where model_type = %s and model_version = %s"
    ((model_id,),) = world.ask(named, model_type, model_version)
    connection = connect(world.dsn)
    try:
        delete(connection, model_id, REASON)
    finally:
        connection.close()


def roll_back(world: World, model_type: str) -> ModelRecord:
    """To the model before."""
    connection = connect(world.dsn)
    try:
        return rollback(connection, model_type, REASON).model
    finally:
        connection.close()


def renamed(bundle: ServedBundle, version: str) -> ServedBundle:
    """The same model under another version, and so another hash."""
    return ServedBundle(replace(bundle.manifest, version=version), bundle.onnx)


def failing_where_zero(bundle: ServedBundle, feature: str, version: str) -> ServedBundle:
    """An attack classifier that answers the first class, and NaN for its confidence where a feature is 0."""
    contract = bundle.contract
    place = helper.make_tensor("place", TensorProto.INT64, [], [contract.names.index(feature)])
    zero = helper.make_tensor("zero", TensorProto.INT64, [1], [0])
    nodes = [
        helper.make_node("Gather", ["features", "place"], ["value"], axis=1),
        helper.make_node("Div", ["value", "value"], ["confidence"]),
        helper.make_node("Shape", ["value"], ["rows"]),
        helper.make_node("ConstantOfShape", ["rows"], ["label"], value=zero),
    ]
    width = len(contract.names)
    graph = helper.make_graph(
        nodes,
        "failing",
        [helper.make_tensor_value_info("features", TensorProto.DOUBLE, [None, width])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("confidence", TensorProto.DOUBLE, [None]),
        ],
        [place],
    )
    onnx = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
    manifest = replace(bundle.manifest, version=version, onnx_sha256=hashlib.sha256(onnx).hexdigest())
    return ServedBundle(manifest, onnx)
