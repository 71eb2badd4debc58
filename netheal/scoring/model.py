"""A served bundle, loaded: checked rows in, scores or classes out."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from netheal.bundles.served import ServedBundle
from netheal.contracts import attack_classes
from netheal.errors import ModelFailure
from netheal.onnx_runtime import onnxruntime as ort

FloatArray = npt.NDArray[np.float64]
_BLOCK_ROWS = 256
_ORT = ort.capi.onnxruntime_pybind11_state
_FAILURES: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    _ORT.Fail,
    _ORT.InvalidArgument,
    _ORT.InvalidGraph,
    _ORT.InvalidProtobuf,
    _ORT.NotImplemented,
    _ORT.RuntimeException,
)


@dataclass(frozen=True)
class AttackScores:
    """`class_id` int16 [n], ids of the contract's classes; `confidence` double [n], in [0, 1]."""

    class_id: npt.NDArray[np.int16]
    confidence: FloatArray


@dataclass(frozen=True)
class ServedModel:
    """One model in memory; thread-safe, one thread a call."""

    bundle: ServedBundle

    @cached_property
    def _session(self) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return ort.InferenceSession(self.bundle.onnx, options, providers=["CPUExecutionProvider"])

    @cached_property
    def _class_ids(self) -> npt.NDArray[np.int16]:
        names = self.bundle.manifest.classes or []
        return np.array([attack_classes().id_of(name) for name in names], dtype=np.int16)

    @cached_property
    def encoders(self) -> dict[str, dict[str, float]]:
        """Category feature -> string -> code."""
        lists = self.bundle.manifest.encoders
        return {name: {text: float(code) for code, text in enumerate(known)} for name, known in lists.items()}

    @property
    def threshold(self) -> float:
        """The score at or above which a row is an attack."""
        threshold = self.bundle.manifest.threshold
        return 0.5 if threshold is None else threshold

    def threat_scores(self, features: FloatArray) -> FloatArray:
        """Scores in [0, 1], double [n], for features double [n, n_features] in contract order, unscaled.

        Rows are scored in blocks of one size, filled up with zeros, so that the bits of a score do not
        depend on how many rows came with it. Raises ModelFailure where the model fails or gives NaN.
        """
        blocks = -(-len(features) // _BLOCK_ROWS)
        padded = np.zeros((blocks * _BLOCK_ROWS, features.shape[1]))
        padded[: len(features)] = features
        parts = [self._run(["score"], block)[0] for block in np.split(padded, blocks)] if blocks else []
        scores = np.concatenate([np.empty(0), *(part.reshape(-1) for part in parts)])[: len(features)]
        if not ((scores >= 0) & (scores <= 1)).all():
            raise self._failure("gave a score outside [0, 1] or NaN")
        return scores.astype(np.float64)

    def attack_scores(self, features: FloatArray) -> AttackScores:
        """Classes and confidences for features as in `threat_scores`; raises ModelFailure likewise."""
        label, confidence = self._run(["label", "confidence"], features)
        confidence, label = confidence.reshape(-1).astype(np.float64), label.reshape(-1)
        if not ((label >= 0) & (label < len(self._class_ids))).all():
            raise self._failure("gave a class that is none of its own")
        if not ((confidence >= 0) & (confidence <= 1 + 1e-6)).all():
            raise self._failure("gave a confidence outside [0, 1] or NaN")
        return AttackScores(self._class_ids[label], np.minimum(confidence, 1.0))

    def _run(self, outputs: list[str], features: FloatArray) -> list[npt.NDArray[np.float64]]:
        try:
            return self._session.run(outputs, {"features": np.ascontiguousarray(features)})  # type: ignore[no-any-return]
        except _FAILURES as error:
            raise self._failure(f"failed: {error}") from error

    def _failure(self, what: str) -> ModelFailure:
        return ModelFailure(f"{self.bundle.manifest.version} {what}", self.bundle.hash)
