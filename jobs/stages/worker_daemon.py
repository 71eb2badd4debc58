"""Spark's daemon of Python workers (`spark.python.daemon.module`): all that it forks have the scan of messages loaded.

A worker would take a second for it. Arrow, which has threads, is left to the workers.
"""

import gc

from pyspark.daemon import manager

from netheal.records.json_scan.compiled import load_compiled

if __name__ == "__main__":
    load_compiled()
    gc.freeze()  # so that collections in the workers leave the pages alone that they share
    manager()
