"""The process that `confined_process` starts: does one piece of work on a foreign file, which is its standard input.

Called with the folder of the code, the module whose `load` and then, confined, `work` are to be called, and the number
of the open file that holds its order. The order, and the answer on standard output, are in the format of `frames`.
"""

import importlib
import os
import sys

from netheal.bundles.intake.confinement import Confinement, confine, leave_network
from netheal.bundles.intake.length_prefixed import mmap_file, read_frames, write_frames

OUT_OF_MEMORY = 3
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> None:
    """Do the work, and end."""
    no_network = leave_network()  # before any import that starts a thread
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    task = importlib.import_module(sys.argv[2])
    task.load()
    order, source = read_frames(mmap_file(int(sys.argv[3]))), mmap_file(0)
    with open(1, "wb", closefd=False) as answer:
        held: Confinement = confine(no_network)
        try:
            write_frames(answer, task.work(source, order, held))
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
    os._exit(0)
