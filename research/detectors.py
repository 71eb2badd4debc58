"""The two kinds of threat detector, trained: what they score, save and serve."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import LabelEncoder, RobustScaler

from netheal.bundles.build import Origin, threat_bundle
from netheal.bundles.neural import Network, ensemble_onnx
from netheal.bundles.parity import Evidence, LoadedGraph
from netheal.bundles.probability import score_onnx
from netheal.bundles.scaling import Scaling, standard
from netheal.bundles.served import ServedBundle
from netheal.contracts import Contract
from netheal.contracts.verdict import ConfidenceKind
from research.connections import NORMAL
from research.forest import served_form

if TYPE_CHECKING:
    from research.ensemble import Ensemble

ATTACK = "attack"


@dataclass(frozen=True)
class ThreatDetector(ABC):
    """A detector over unscaled rows of a contract; a row whose score reaches the threshold is an attack."""

    contract: Contract
    encoders: dict[str, LabelEncoder]
    scaler: RobustScaler
    threshold: float
    random_state: int
    benign: str = NORMAL
    confidence_kind: ClassVar[ConfidenceKind]

    @abstractmethod
    def scores(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores in [0, 1] of unscaled rows, double [N]."""

    @property
    def answer_count(self) -> int:
        """Normal and attack."""
        return 2

    def largest_shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The share of the likelier answer, [N]."""
        scores = self.scores(values)
        return np.maximum(scores, 1.0 - scores)

    @abstractmethod
    def layout(self, version: str) -> dict[str, Any]:
        """What is saved."""

    @abstractmethod
    def graph(self, scaling: Scaling) -> bytes:
        """The served graph."""

    def answers(self, values: NDArray[np.float64]) -> NDArray[np.object_]:
        """`attack` or `normal`, [N]."""
        names: NDArray[np.object_] = np.array([NORMAL, ATTACK], dtype=object)
        return names[(self.scores(values) >= self.threshold).astype(np.int64)]

    def serve(self, origin: Origin, rows: NDArray[np.float64]) -> ServedBundle:
        """The served form, its parity proved on `rows`."""
        scores = self.scores(rows)
        evidence = Evidence(rows, scores, (scores >= self.threshold).astype(np.int64))
        graph = LoadedGraph(self.graph(standard(self.scaler.center_, self.scaler.scale_)))
        known = {name: e.classes_.tolist() for name, e in self.encoders.items() if name in self.contract.names}
        return threat_bundle(graph, self.contract, known, origin, evidence, self.confidence_kind, self.threshold)


@dataclass(frozen=True, kw_only=True)
class EnsembleDetector(ThreatDetector):
    """The mean score of a dense network and an LSTM."""

    ensemble: "Ensemble"
    confidence_kind: ClassVar[ConfidenceKind] = "probability"

    def scores(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.ensemble.scores(self.scaler.transform(values))

    def layout(self, version: str) -> dict[str, Any]:
        """The training layout; it names the threshold where it is another than 0.5."""
        layout = {
            "artifacts": {
                "encoders": self.encoders,
                "selected_features": list(self.contract.names),
                "scaler": self.scaler,
            },
            "ann_weights": self.ensemble.ann.get_weights(),
            "lstm_weights": self.ensemble.lstm.get_weights(),
            "ann_config": self.ensemble.configs[0],
            "lstm_config": self.ensemble.configs[1],
            "n_features": len(self.contract.names),
            "random_state": self.random_state,
        }
        return layout if self.threshold == 0.5 else layout | {"threshold": self.threshold}

    def graph(self, scaling: Scaling) -> bytes:
        networks = [self.ensemble.ann, self.ensemble.lstm]
        plain = [Network(c, n.get_weights()) for c, n in zip(self.ensemble.configs, networks, strict=True)]
        return ensemble_onnx(plain, len(self.contract.names), scaling)


@dataclass(frozen=True, kw_only=True)
class ForestDetector(ThreatDetector):
    """The share of the votes of a forest's trees, its leaves weighing by their rows."""

    forest: RandomForestClassifier
    confidence_kind: ClassVar[ConfidenceKind] = "vote_share"

    def scores(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.forest.predict_proba(self.scaler.transform(values))[:, 1])

    def layout(self, version: str) -> dict[str, Any]:
        """The serving layout."""
        return {
            "model": self.forest,
            "scaler": self.scaler,
            "label_encoders": {name: e for name, e in self.encoders.items() if name in self.contract.names},
            "selected_features": list(self.contract.names),
            "threshold": self.threshold,
            "metadata": {"version": version, "random_state": self.random_state},
        }

    def graph(self, scaling: Scaling) -> bytes:
        return score_onnx(served_form(self.forest), len(self.contract.names), scaling, attack=1)
