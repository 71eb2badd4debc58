"""The names that a pickle may mention, and what each of them becomes; none is ever imported.

A class outside this list that is neither Python's nor of a package of the list is its makers' own. Objects of it
become their saved fields, and nothing of it can be called.
"""

import sys
from enum import Enum, auto

from netheal.errors import BundleError
from netheal.wording import quoted


class Kind(Enum):
    """What a name stands for in our reading."""

    DTYPE = auto()
    NDARRAY = auto()
    RECONSTRUCT = auto()
    FROM_BUFFER = auto()
    SCALAR = auto()
    ENCODE = auto()
    BYTES = auto()
    INDEX_MAKER = auto()
    INDEX = auto()
    GETATTR = auto()
    BYTES_IO = auto()
    KERAS_MODEL = auto()
    KERAS_LOADER = auto()
    DICT = auto()
    SET = auto()
    NAMESPACE = auto()
    MAKERS_CLASS = auto()
    WRAPPER = auto()
    TYPE = auto()
    OBJECT = auto()


_MOVED = {
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
    "__builtin__": "builtins",
    "_loss": "sklearn._loss._loss",  # scikit-learn 1.4 to 1.6
}
_KINDS = {
    "numpy.dtype": Kind.DTYPE,
    "numpy.ndarray": Kind.NDARRAY,
    "numpy._core.multiarray._reconstruct": Kind.RECONSTRUCT,
    "numpy._core.multiarray.scalar": Kind.SCALAR,
    "numpy._core.numeric._frombuffer": Kind.FROM_BUFFER,
    "_codecs.encode": Kind.ENCODE,
    "builtins.bytes": Kind.BYTES,
    "builtins.getattr": Kind.GETATTR,  # of a Keras model's class and the name of its loader, and of nothing else
    "_io.BytesIO": Kind.BYTES_IO,
    "keras.src.models.functional.Functional": Kind.KERAS_MODEL,
    "keras.src.models.model.Model": Kind.KERAS_MODEL,
    "keras.src.models.sequential.Sequential": Kind.KERAS_MODEL,
    "keras.src.saving.pickle_utils.deserialize_model_from_bytecode": Kind.KERAS_LOADER,
    "tf_keras.src.saving.pickle_utils.deserialize_model_from_bytecode": Kind.KERAS_LOADER,
    "pandas.core.indexes.base._new_Index": Kind.INDEX_MAKER,
    "pandas.core.indexes.base.Index": Kind.INDEX,
    "collections.OrderedDict": Kind.DICT,
    "sklearn.utils.Bunch": Kind.DICT,
    "sklearn.utils._bunch.Bunch": Kind.DICT,
    "builtins.set": Kind.SET,
    "builtins.frozenset": Kind.SET,
    "types.SimpleNamespace": Kind.NAMESPACE,
    "joblib.numpy_pickle.NumpyArrayWrapper": Kind.WRAPPER,
    "builtins.float": Kind.TYPE,
    "builtins.int": Kind.TYPE,
    "builtins.str": Kind.TYPE,
    "builtins.object": Kind.TYPE,
    **{f"numpy.{name}": Kind.TYPE for name in ("float32", "float64", "int32", "int64", "str_", "object_")},
    **dict.fromkeys(
        (
            "sklearn.dummy.DummyClassifier",
            "sklearn.ensemble._forest.ExtraTreesClassifier",
            "sklearn.ensemble._forest.RandomForestClassifier",
            "sklearn.ensemble._gb.GradientBoostingClassifier",
            "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
            "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
            "sklearn.ensemble._voting.VotingClassifier",
            "sklearn.linear_model._logistic.LogisticRegression",
            "sklearn.neural_network._multilayer_perceptron.MLPClassifier",
            "sklearn.pipeline.Pipeline",
            "sklearn.preprocessing._data.MaxAbsScaler",
            "sklearn.preprocessing._data.MinMaxScaler",
            "sklearn.preprocessing._data.RobustScaler",
            "sklearn.preprocessing._data.StandardScaler",
            "sklearn.preprocessing._encoders.OrdinalEncoder",
            "sklearn.preprocessing._label.LabelBinarizer",
            "sklearn.preprocessing._label.LabelEncoder",
            "sklearn.tree._classes.DecisionTreeClassifier",
            "sklearn.tree._classes.DecisionTreeRegressor",
            "sklearn.tree._classes.ExtraTreeClassifier",
            "sklearn.tree._tree.Tree",
            # Parts of accepted models that nothing reads: generators, optimisers, losses.
            "numpy.random._mt19937.MT19937",
            "numpy.random._pcg64.PCG64",
            "numpy.random._pickle.__generator_ctor",
            "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
            "numpy.random._pickle.__bit_generator_ctor",
            "numpy.random._pickle.__randomstate_ctor",
            "numpy.random.bit_generator.SeedSequence",
            "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
            "sklearn.ensemble._gb_losses.BinomialDeviance",
            "sklearn.ensemble._gb_losses.ExponentialLoss",
            "sklearn.ensemble._gb_losses.MultinomialDeviance",
            "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
            "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
            *(
                f"sklearn._loss.{name}"
                for name in (
                    "_loss.CyExponentialLoss",
                    "_loss.CyHalfBinomialLoss",
                    "_loss.CyHalfMultinomialLoss",
                    "_loss.__pyx_unpickle_CyExponentialLoss",
                    "_loss.__pyx_unpickle_CyHalfBinomialLoss",
                    "_loss.__pyx_unpickle_CyHalfMultinomialLoss",
                    "link.HalfLogitLink",
                    "link.Interval",
                    "link.LogitLink",
                    "link.MultinomialLogit",
                    "loss.ExponentialLoss",
                    "loss.HalfBinomialLoss",
                    "loss.HalfMultinomialLoss",
                )
            ),
        ),
        Kind.OBJECT,
    ),
}


_KNOWN_PACKAGES = {full.partition(".")[0] for full in _KINDS} | sys.stdlib_module_names
_HINTS = {
    "sklearn.compose._column_transformer.ColumnTransformer": (
        ". scikit-learn puts a ColumnTransformer before histogram boosting that splits by categories:"
        " train it on numbers only"
    ),
    "sklearn.model_selection._search": ". Save what the search found: search.best_estimator_",
    "pandas.core.arrays.string_arrow": ". Save features' names as a list: list(frame.columns)",
}


def kind_of(module: str, name: str) -> tuple[str, Kind]:
    """The full name as of today, and its kind; raises BundleError for an unlisted name of a known package."""
    moved = _MOVED.get(module, module)
    full = f"{moved}.{name}"
    kind = _KINDS.get(full)
    if kind is not None:
        return full, kind
    if moved.partition(".")[0] in _KNOWN_PACKAGES:
        raise unlisted(full, _HINTS.get(full, _HINTS.get(module, "")))
    return full, Kind.MAKERS_CLASS


def unlisted(full: str, hint: str = "") -> BundleError:
    """What to raise for a name that may not be there, or not be used as it is."""
    return BundleError(
        f"the file names {quoted(full)}, which is not part of any accepted model: accepted are scikit-learn's"
        " trees, forests, gradient boosting (histograms', too), logistic regression, MLP and voting classifiers,"
        f" pipelines, Keras networks, scalers and encoders, numpy arrays and plain values{hint}"
    )
