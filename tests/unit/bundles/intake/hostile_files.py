"""Crafted files. Those in `attacks` run a command when `pickle` or `joblib` loads them; the rest lie or explode."""

import io
import lzma
import os
import pickle
import struct
import subprocess
import sys
import zlib
from bz2 import compress as bz2_compress
from collections.abc import Callable
from functools import cache
from gzip import compress as gzip_compress
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper
from sklearn.tree._tree import Tree

from tests.unit.bundles.intake.honest_bundles import honest, packed

HEAD = b"\x80\x04"


class Payload:
    """Pickles as a call of `os.system`."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _call(module: str, name: str, *args: bytes) -> bytes:
    return _name(module, name) + b"(" + b"".join(args) + b"tR"


def attacks(command: str) -> dict[str, bytes]:
    """Pickles that run `command` when they are loaded, all for a file that ends in .pkl."""
    text, python = _text(command), _text(f"__import__('os').system({command!r})")
    shell = _call("os", "system", text)
    inner = HEAD + shell + b"."
    wrapped = b"B" + struct.pack("<I", len(inner)) + inner
    memo_names = _text("os") + b"q\x00" + _text("system") + b"q\x01" + b"00h\x00h\x01\x93"
    plain = "sklearn.preprocessing._data"
    return {
        "reduce_os": HEAD + shell + b".",
        "reduce_posix": HEAD + _call("posix", "system", text) + b".",
        "protocol_2": b"\x80\x02" + shell + b".",
        "protocol_5": b"\x80\x05" + shell + b".",
        "no_protocol": shell + b".",
        "protocol_0_text": b"cos\nsystem\n(V" + command.encode() + b"\ntR.",
        "builtins_exec": HEAD + _call("builtins", "exec", python) + b".",
        "builtins_eval": HEAD + _call("builtins", "eval", python) + b".",
        "old_builtin_eval": b"\x80\x02" + _call("__builtin__", "eval", python) + b".",
        "subprocess_call": HEAD + _call("subprocess", "getoutput", text) + b".",
        "subprocess_list": HEAD
        + _call("subprocess", "call", b"(" + b"".join(_text(part) for part in ("sh", "-c", command)) + b"l")
        + b".",
        "stack_global": HEAD + _text("os") + _text("system") + b"\x93" + text + b"\x85R.",
        "stack_global_by_memo": HEAD + memo_names + text + b"\x85R.",
        "stack_global_dotted": HEAD + _text("logging") + _text("os.system") + b"\x93" + text + b"\x85R.",
        "dotted_in_numpy": HEAD + _text("numpy") + _text("lib._datasource.os.system") + b"\x93" + text + b"\x85R.",
        "inst": HEAD + b"(" + text + b"ios\nsystem\n.",
        "obj": HEAD + b"(" + _name("os", "system") + text + b"o.",
        "nested_loads": HEAD + _call("pickle", "loads", wrapped) + b".",
        "nested_c_loads": HEAD + _call("_pickle", "loads", wrapped) + b".",
        "copyreg_extension": HEAD
        + _call("copyreg", "add_extension", _text("os"), _text("system"), b"K\xf0")
        + b"0\x82\xf0"
        + text
        + b"\x85R.",
        "copyreg_extension_2": HEAD
        + _call("copyreg", "add_extension", _text("os"), _text("system"), b"M\xf1\x0a")
        + b"0\x83\xf1\x0a"
        + text
        + b"\x85R.",
        "functools_partial": HEAD + _call("functools", "partial", _name("os", "system"), text) + b")R.",
        "methodcaller": HEAD
        + _call("operator", "methodcaller", _text("system"), text)
        + _call("importlib", "import_module", _text("os"))
        + b"\x85R.",
        "getattr": HEAD
        + _call("builtins", "getattr", _call("importlib", "import_module", _text("os")), _text("system"))
        + text
        + b"\x85R.",
        "map_in_list": HEAD
        + _call("builtins", "list", _call("builtins", "map", _name("os", "system"), b"(" + text + b"t"))
        + b".",
        "timeit": HEAD
        + _call("timeit", "timeit", python, _text("pass"), _name("timeit", "default_timer"), b"K\x01")
        + b".",
        "runpy": HEAD
        + _call("runpy", "_run_code", _call("builtins", "compile", python, _text("x"), _text("exec")), b"}")
        + b".",
        "state_set_by_build": HEAD
        + _call("types", "SimpleNamespace")
        + b"}"
        + _text("__setstate__")
        + _name("os", "system")
        + b"sb"
        + text
        + b"b.",
        "in_a_dictionary_key": HEAD + b"}" + shell + b"K\x01s.",
        "in_a_list": HEAD + b"]" + shell + b"a.",
        "popped_at_once": HEAD + shell + b"0}.",
        "before_a_mark": HEAD + b"(" + shell + b"1}.",
        "as_state_of_a_scaler": HEAD + _name(plain, "StandardScaler") + b")\x81" + shell + b"b.",
        "as_a_tree_s_argument": HEAD
        + _name("sklearn.preprocessing", "LabelEncoder")
        + b")\x81}"
        + _text("x")
        + shell
        + b"sb.",
        "many_protocols": b"\x80\x02\x80\x04\x80\x05" + shell + b".",
        "duplicate": HEAD + shell + b"2\x86.",
    }


def hidden(command: str, folder: Path) -> dict[str, tuple[str, bytes]]:
    """Bundles that are honest but for one place, as they are when joblib or pickle write them; all of them fire."""
    payload, found = Payload(command), {}
    for place in ("metadata", "scaler", "selected_features", "model", "label_encoder"):
        found[f"hidden_in_{place}"] = packed({**honest("tree").layout, place: payload}, "none")
    elements = np.array([payload], dtype=object)
    found["object_array"] = packed({"x": elements}, "pkl5")
    found["object_array_joblib"] = packed({"x": elements}, "none")
    layout = honest("tree").layout
    layout["model"].tree_payload_ = payload
    found["in_the_model_s_state"] = packed(layout, "pkl4")
    bare = pickle.dumps(payload)
    for name, squeeze in _SQUEEZES.items():
        path = folder / name
        path.write_bytes(squeeze(bare))
        found[f"squeezed_{name}"] = (".joblib", path.read_bytes())
    return found


_SQUEEZES: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "gzip": gzip_compress,
    "bz2": bz2_compress,
    "xz": lambda data: lzma.compress(data, preset=1),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=1),
    "lz4": lz4.frame.compress,
}


@cache
def liars(command: str) -> dict[str, tuple[str, bytes]]:
    """Files that lie about what they are, or ask for too much."""
    text, good = _text(command), pickle.dumps(honest("tree").layout)
    zeros, many = b"\0" * (40 << 20), HEAD + b"]" * 3_000_000
    laughs = (
        HEAD
        + b"]q\x00"
        + b"".join(
            b"](" + b"h" + bytes([place]) + (b"h" + bytes([place])) * 9 + b"e" + b"q" + bytes([place + 1])
            for place in range(60)
        )
    )
    found: dict[str, tuple[str, bytes]] = {
        f"bomb_{name}": (".joblib", squeeze(zeros)) for name, squeeze in _SQUEEZES.items() if name != "gzip"
    }
    found |= {f"wrapper_{name}": (".joblib", data) for name, data in _wrappers(command).items()}
    return found | {
        name: (".pkl", data)
        for name, data in {
            "bytes_after_stop": good + HEAD + _call("os", "system", text) + b".",
            "extension_1": HEAD + b"\x82\x01.",
            "extension_2": HEAD + b"\x83\x01\x00.",
            "extension_4": HEAD + b"\x84\x01\x00\x00\x00.",
            "persistent_id": HEAD + b"P" + command.encode() + b"\n.",
            "binary_persistent_id": HEAD + text + b"Q.",
            "newobj_ex": HEAD + _name("sklearn.tree._classes", "DecisionTreeClassifier") + b")}\x92.",
            "outside_buffer": b"\x80\x05\x97.",
            "set": HEAD + b"\x8f.",
            "huge_bytes": HEAD + b"\x8e" + struct.pack("<Q", 2**60) + b".",
            "huge_text": HEAD + b"\x8d" + struct.pack("<Q", 2**40) + b".",
            "huge_long": HEAD + b"\x8b" + struct.pack("<i", 2**31 - 1) + b".",
            "huge_frame": HEAD + b"\x95" + struct.pack("<Q", 2**50) + b"N.",
            "huge_memo": HEAD + b"Nr\xff\xff\xff\xffj\xff\xff\xff\xff.",
            "too_many_steps": many,
            "laughs": laughs + b".",
            "laughs_as_a_shape": _laughing(
                lambda many: (
                    _call("numpy._core.multiarray", "_reconstruct", _name("numpy", "ndarray"), b"K\x00\x85", b"C\x01b")
                    + b"(K\x01"
                    + many
                    + _DOUBLE
                    + b"\x89C\x00tb"
                )
            ),
            "laughs_as_field_names": _laughing(
                lambda many: (
                    _call("numpy", "dtype", _text("V8"), b"\x89", b"\x88")
                    + b"(K\x03"
                    + _text("|")
                    + b"N"
                    + many
                    + b"\x85}K\x08K\x01K\x00tb"
                )
            ),
            "laughs_as_a_count": _laughing(
                lambda many: (
                    b"}("
                    + _text("model")
                    + _name("sklearn.tree._classes", "DecisionTreeClassifier")
                    + b")\x81}"
                    + _text("n_features_in_")
                    + many
                    + b"sb"
                    + _text("selected_features")
                    + b"]"
                    + _text("flag")
                    + b"au"
                )
            ),
            "list_in_itself": HEAD + b"]q\x00h\x00a.",
            "state_twice": HEAD + _name("sklearn.preprocessing._label", "LabelEncoder") + b")\x81}b}b.",
            "texts_beyond_unicode": _odd_array(b"U1", b"\xff" * 4),
            "truths_beyond_one": _odd_array(b"b1", b"\x07"),
            "lone_surrogate": HEAD + b"X\x03\x00\x00\x00\xed\xa0\x80.",
            "huge_empty_array": HEAD + _wide_array(b"U0"),
            "array_too_long": HEAD + _wide_array(b"f8"),
            "index_of_a_text": HEAD + _index(_text("data") + text + b"s") + b".",
            "index_of_itself": HEAD + b"}q\x00" + _text("data") + _index(b"0h\x00") + b"s.",
            "index_of_more": HEAD + _index(_text("data") + b"]s" + _text("dtype") + text + b"s") + b".",
            "index_without_elements": HEAD + _index(_text("data") + _NOT_FILLED + b"s") + b".",
            "index_of_another_class": HEAD + _call(_INDEX, "_new_Index", _name("numpy", "ndarray"), b"}") + b".",
            "index_called": HEAD + _call(_INDEX, "Index", b"]") + b".",
            "many_bytes": HEAD + _call("builtins", "bytes", b"\x8a\x06" + bytes(5) + b"\x10") + b".",
            "call_of_a_type": HEAD + _call("builtins", "str", text) + b".",
            "call_of_a_text": HEAD + text + b")R.",
            "encode_with_a_codec": HEAD + _call("_codecs", "encode", text, _text("zlib_codec")) + b".",
            "stack_empty": HEAD + b"0.",
            "get_nothing": HEAD + b"h\x05.",
            "no_end": HEAD + b"N",
            "protocol_6": b"\x80\x06N.",
            "zip": b"PK\x03\x04" + bytes(64),
            "nothing": b"",
            "words": b"import os; os.system('" + command.encode() + b"')",
            "old_joblib": b"ZF0x10               " + good,
            "cut_short": good[: len(good) // 2],
            "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(512),
        }.items()
    }


_INDEX = "pandas.core.indexes.base"
_NOT_FILLED = _call("numpy._core.multiarray", "_reconstruct", _name("numpy", "ndarray"), b"K\x00\x85", b"C\x01b")


def _index(state: bytes) -> bytes:
    """A pandas Index of a state, which is pushed onto an empty dictionary."""
    return _call(_INDEX, "_new_Index", _name(_INDEX, "Index"), b"}" + state)


def _wide_array(code: bytes) -> bytes:
    dtype = _call("numpy", "dtype", _text(code.decode()), b"\x89", b"\x88")
    return _call("numpy._core.numeric", "_frombuffer", b"C\x00", dtype, b"J\xff\xff\xff\x7f\x85", _text("C")) + b"."


_DOUBLE = _call("numpy", "dtype", _text("f8"), b"\x89", b"\x88")


def _laughing(make: Callable[[bytes], bytes]) -> bytes:
    """A tuple of ten of a tuple of ten of …, sixty deep, where `make` wants it."""
    levels = b"".join(b"(" + (b"h" + bytes([place])) * 10 + b"tq" + bytes([place + 1]) + b"0" for place in range(60))
    return HEAD + b")q\x000" + levels + make(b"h\x3c") + b"."


def _odd_array(code: bytes, element: bytes) -> bytes:
    """Elements that numpy takes as they are, and that a program then breaks on."""
    dtype = _call("numpy", "dtype", _text(code.decode()), b"\x89", b"\x88")
    raw = b"C" + bytes([len(element)]) + element
    return HEAD + _call("numpy._core.numeric", "_frombuffer", raw, dtype, b"K\x01\x85", _text("C")) + b"."


def _wrappers(command: str) -> dict[str, bytes]:
    """joblib's stand-in for an array with each of its fields bent."""
    straight = {"shape": (2,), "order": "C", "dtype": np.dtype("f8"), "allow_mmap": False}
    bends: dict[str, dict[str, Any]] = {
        "subclass": {"subclass": Payload},
        "subclass_memmap": {"subclass": np.memmap},
        "mmap_payload": {"allow_mmap": Payload(command)},
        "mmap_text": {"allow_mmap": "/etc/passwd"},
        "shape_payload": {"shape": Payload(command)},
        "shape_huge": {"shape": (2**30, 2**30)},
        "shape_negative": {"shape": (-1,)},
        "order": {"order": Payload(command)},
        "dtype_payload": {"dtype": Payload(command)},
        "dtype_object": {"dtype": np.dtype("O")},
        "dtype_date": {"dtype": np.dtype("M8[s]")},
        "alignment": {"numpy_array_alignment_bytes": 10**9},
        "another_field": {"read": Payload(command)},
    }
    found = {}
    for name, bend in bends.items():
        wrapper = NumpyArrayWrapper.__new__(NumpyArrayWrapper)
        wrapper.__dict__.update({"subclass": np.ndarray, "numpy_array_alignment_bytes": 16, **straight, **bend})
        found[name] = pickle.dumps(wrapper, protocol=4)[:-1] + b"\x01\xff" + bytes(16) + b"."
    return found


class _Bent(pickle.Pickler):
    """Writes trees with other arrays than they have."""

    def __init__(self, out: io.BytesIO, bend: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(out, 4)
        self.bend = bend

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Tree:
            return NotImplemented
        cls, args, state = value.__reduce__()
        state = {name: part.copy() if isinstance(part, np.ndarray) else part for name, part in state.items()}
        self.bend(state)
        return cls, args, state


def _set(column: str, node: int, value: float) -> Callable[[dict[str, Any]], None]:
    def bend(state: dict[str, Any]) -> None:
        state["nodes"][column][node] = value

    return bend


def _replace(key: str, make: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def bend(state: dict[str, Any]) -> None:
        state[key] = make(state[key])

    return bend


TREES: dict[str, Callable[[dict[str, Any]], None]] = {
    "cycle": _set("left_child", 1, 0),
    "itself": _set("left_child", 0, 0),
    "child_outside": _set("right_child", 0, 10**6),
    "child_negative": _set("right_child", 0, -5),
    "one_child": _set("right_child", 0, -1),
    "two_parents": _set("right_child", 0, 1),
    "feature_outside": _set("feature", 0, 4000),
    "feature_negative": _set("feature", 0, -2),
    "threshold_nan": _set("threshold", 0, float("nan")),
    "threshold_infinite": _set("threshold", 0, float("inf")),
    "values_nan": _replace("values", lambda values: values * float("nan")),
    "values_negative": _replace("values", lambda values: -values),
    "values_zero": _replace("values", lambda values: values * 0),
    "values_short": _replace("values", lambda values: values[:-1]),
    "values_flat": _replace("values", lambda values: values[:, 0]),
    "values_other_classes": _replace("values", lambda values: values[:, :, :2].copy() + 1),
    "nodes_short": _replace("nodes", lambda nodes: nodes[:-1]),
    "nodes_plain": _replace("nodes", lambda nodes: np.zeros(len(nodes))),
    "count_wrong": _replace("node_count", lambda count: count + 1),
}


def bent_tree(name: str) -> bytes:
    """An honest bundle whose tree is bent, as a `.pkl`."""
    out = io.BytesIO()
    _Bent(out, TREES[name]).dump(honest("tree").layout)
    return out.getvalue()


def fires(data: bytes, suffix: str, path: Path) -> None:
    """Load a crafted file as an unwary program would, in a process of its own."""
    path.write_bytes(data)
    load = "import sys, pickle; pickle.load(open(sys.argv[1], 'rb'))"
    if suffix == ".joblib":
        load = "import sys, joblib; joblib.load(sys.argv[1])"
    subprocess.run([sys.executable, "-c", load, str(path)], check=False, capture_output=True, timeout=60)
