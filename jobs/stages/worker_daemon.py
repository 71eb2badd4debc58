"""Spark's daemon of Python workers (`spark.python.daemon.module`): all that it forks have the scan of messages loaded.

A worker would take half a second for it. Arrow, which has threads, is left to the workers.
"""

import gc
import os
from pathlib import Path

from pyspark.daemon import manager

from jobs.stages.worker_sockets import claim_folder
from netheal.records.json_scan.preload import preload_scan

_SOCKETS = "PYTHON_WORKER_FACTORY_SOCK_DIR"

if __name__ == "__main__":
    if _SOCKETS in os.environ:
        claim_folder(Path(os.environ[_SOCKETS]))
    preload_scan()
    gc.freeze()  # so that collections in the workers leave the pages alone that they share
    manager()
