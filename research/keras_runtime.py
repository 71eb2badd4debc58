"""Keras on TensorFlow, quiet and writing nothing into the home folder: the one module that imports it."""

import os

from netheal.settings import PROJECT_ROOT

os.environ.setdefault("KERAS_HOME", str(PROJECT_ROOT / "var" / "cache" / "keras"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: TID251
import tensorflow

__all__ = ["keras", "tensorflow"]
