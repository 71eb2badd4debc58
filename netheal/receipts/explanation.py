"""Why a model answers as it does for one row: read from its graph where that is of trees, else from its answers."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.inference import GRAPH_FAILURES, GraphSession
from netheal.bundles.training_ranges import parse_ranges
from netheal.contracts import attack_classes
from netheal.errors import ModelFailure
from netheal.receipts.attribution import TOLERANCE, Attribution, order_contributions, path_contributions
from netheal.receipts.conditions import Condition, conditions
from netheal.receipts.served_graph import ServedGraph, UnknownGraph
from netheal.receipts.served_trees import Path, Trees, read_trees
from netheal.scoring.model import ServedModel

Doubles = NDArray[np.float64]
Method = Literal["tree_path", "path_contributions", "sampled_orders"]
_ATTACK, _NORMAL = "attack", "normal"


@dataclass(frozen=True)
class Explanation:
    """Of one model and row: `of` names the answer that is explained, a score or the confidence in a class, of the
    unscaled `row`, double [n].

    `path` are the conditions of a single tree, `leaf` the shares at its end (those that the graph has); `votes` counts
    the trees of a forest by the answer of their leaf. `attribution` is None for a tree whose nodes have no shares.
    """

    method: Method
    of: str
    answer: float
    row: Doubles
    attribution: Attribution | None
    path: tuple[Condition, ...] | None = None
    leaf: dict[str, float] | None = None
    votes: dict[str, int] | None = None


@dataclass(frozen=True)
class _Answer:
    """What the model says of the row: `label` is the place of its class among the manifest's, None for a score."""

    of: str
    value: float
    label: int | None


def explain(model: ServedModel, row: Doubles) -> Explanation:
    """Why the model says what it says of an unscaled row, double [n]; raises ModelFailure where it fails."""
    answer = _answer(model, row)
    try:
        graph = ServedGraph(model.bundle.onnx)
    except UnknownGraph:
        return _by_answers(model, row, answer, None)
    try:
        return _by_trees(model, row, answer, graph)
    except UnknownGraph:
        return _by_answers(model, row, answer, graph)


def _answer(model: ServedModel, row: Doubles) -> _Answer:
    if model.bundle.contract.model_type == "threat_detector":
        return _Answer("score", float(model.threat_scores(row[None, :])[0]), None)
    found = model.attack_scores(row[None, :])
    name = attack_classes().names[found.class_id[0]]
    return _Answer(
        f"confidence in {name}", float(found.confidence[0]), (model.bundle.manifest.classes or []).index(name)
    )


def _by_trees(model: ServedModel, row: Doubles, answer: _Answer, graph: ServedGraph) -> Explanation:
    """Raises UnknownGraph where the graph is of something else, or read here says another thing than it answers."""
    features = model.bundle.contract.features
    trees = read_trees(graph, len(features), "score" if answer.label is None else "label")
    paths = trees.paths(row)
    single = tuple(conditions(paths[0], trees.nodes, features, row)) if len(paths) == 1 else None
    if trees.shares is None:
        return _by_leaf(model, row, answer, trees, paths[0], single or ())
    place = _place(trees, answer)
    attribution = path_contributions(trees, trees.shares, paths, place, answer.value, len(features))
    at_leaves = trees.shares[[path.nodes[-1] for path in paths]]
    if not attribution.complete:
        raise UnknownGraph("its parts do not add up to its answer")
    names = _names(model, trees, at_leaves.shape[1])
    if single is not None:
        leaf = {name: float(share) for name, share in zip(names, at_leaves[0], strict=True) if share}
        return Explanation("tree_path", answer.of, answer.value, row, attribution, single, leaf)
    votes = Counter(names[at] for at in at_leaves.argmax(axis=1))
    return Explanation("path_contributions", answer.of, answer.value, row, attribution, votes=dict(votes.most_common()))


def _by_leaf(
    model: ServedModel, row: Doubles, answer: _Answer, trees: Trees, path: Path, single: tuple[Condition, ...]
) -> Explanation:
    """A tree whose graph has the first class of each leaf only."""
    if trees.label is None or trees.confidence is None:
        raise UnknownGraph("its leaves have no answer")
    leaf = path.nodes[-1]
    if trees.label[leaf] != answer.label or abs(trees.confidence[leaf] - answer.value) > TOLERANCE:
        raise UnknownGraph("its leaf is another one")
    name = (model.bundle.manifest.classes or [])[int(trees.label[leaf])]
    return Explanation("tree_path", answer.of, answer.value, row, None, single, {name: float(trees.confidence[leaf])})


def _place(trees: Trees, answer: _Answer) -> int:
    """The column of the shares that the answer is of."""
    if answer.label is None:
        return int(trees.class_ids[0])
    (found,) = np.nonzero(trees.class_ids == answer.label)
    if len(found) != 1:
        raise UnknownGraph("its class is none of its own")
    return int(found[0])


def _names(model: ServedModel, trees: Trees, columns: int) -> list[str]:
    """What the columns of the shares are of."""
    if model.bundle.contract.model_type == "threat_detector":
        return [_ATTACK if at == trees.class_ids[0] else _NORMAL for at in range(columns)]
    classes = model.bundle.manifest.classes or []
    return [classes[at] for at in trees.class_ids.tolist()]


def _by_answers(model: ServedModel, row: Doubles, answer: _Answer, graph: ServedGraph | None) -> Explanation:
    score = model.threat_scores if answer.label is None else _confidence_in(model, answer.label, graph)
    try:
        found = order_contributions(score, row, baseline_row(model, graph))
    except GRAPH_FAILURES as error:
        raise ModelFailure(f"{model.bundle.manifest.version} failed: {error}", model.bundle.hash) from error
    return Explanation("sampled_orders", answer.of, answer.value, row, found)


def _confidence_in(model: ServedModel, label: int, graph: ServedGraph | None) -> Callable[[Doubles], Doubles]:
    """The share of one class, whichever class is first; where the graph does not tell, 0 where another is first."""
    if graph is not None:
        try:
            labels = graph.made_by(graph.made_by("label", "Identity").input[0], "Gather")
            best = graph.made_by(graph.made_by(labels.input[1], "Reshape").input[0], "TopK")
            (place,) = np.flatnonzero(graph.constant(labels.input[0]) == label)
            session = GraphSession(graph.share_of(best.input[0], int(place)))
            return lambda rows: np.asarray(session.run(["share"], rows)[0], dtype=np.float64)
        except (UnknownGraph, ValueError):
            pass
    return partial(_confidence_where_first, model, label)


def _confidence_where_first(model: ServedModel, label: int, rows: Doubles) -> Doubles:
    found = model.attack_scores(rows)
    class_id = attack_classes().id_of((model.bundle.manifest.classes or [])[label])
    return np.where(found.class_id == class_id, found.confidence, 0.0)


def baseline_row(model: ServedModel, graph: ServedGraph | None) -> Doubles:
    """The row that others are compared with, double [n], unscaled.

    The centre of the model's scaler (the mean of its training rows, or their median); without one the middle of the
    training ranges; without these what scales to 0. Categories have the nearest code.
    """
    features = model.bundle.contract.features
    scaling = None if graph is None else graph.input_scaling(len(features))
    row = np.zeros(len(features))
    centred = scaling is not None and any(operation == "Sub" for operation, _ in scaling.steps)
    if scaling is not None:
        inverse = {"Sub": np.add, "Div": np.multiply, "Mul": np.divide, "Add": np.subtract}
        for operation, operand in reversed(scaling.steps):
            with np.errstate(divide="ignore", invalid="ignore"):
                row = inverse[operation](row, operand)
    document = model.bundle.manifest.training_ranges
    if document is not None and not centred:
        ranges = parse_ranges(document, model.bundle.contract)
        row = (ranges.low + ranges.high) / 2
        for place, codes in ranges.codes.items():
            row[place] = codes[len(codes) // 2]
    row = np.nan_to_num(row, posinf=0.0, neginf=0.0)
    categories = [at for at, feature in enumerate(features) if feature.category]
    row[categories] = np.rint(row[categories])
    return row
