"""Work for the confined process that goes wrong in the way that its order says."""

import os
import signal

from netheal.bundles.intake.confinement import Confinement


def load() -> None:
    """Nothing."""


def work(source: memoryview, order: list[memoryview], held: Confinement) -> list[bytes]:
    """Go wrong, or give the file back."""
    way = bytes(order[0]).decode()
    if way == "memory":
        return [bytes(3 << 30)]
    if way == "error":
        raise ValueError("it is\x07 odd")
    if way == "abort":
        os.abort()
    if way == "spin":
        signal.raise_signal(signal.SIGXCPU)
    if way == "killed":
        signal.raise_signal(signal.SIGKILL)
    if way == "half":
        os.write(1, b"\x09\0\0\0\0\0\0\0half")
        os._exit(0)
    if way == "exit":
        os._exit(7)
    return [bytes(source)]
