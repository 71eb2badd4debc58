"""What the confined process is given and what it gives: pieces of bytes, each after its length."""

import mmap
import os
import struct
from collections.abc import Sequence
from typing import IO

from netheal.bundles.intake.reader import ByteReader

_LENGTH = struct.Struct("<Q")


def write_frames(target: IO[bytes], frames: Sequence[bytes]) -> None:
    """Write all frames, and nothing after them."""
    for frame in frames:
        target.write(_LENGTH.pack(len(frame)))
        target.write(frame)
    target.flush()


def read_frames(data: memoryview) -> list[memoryview]:
    """The frames in these bytes, not copied; raises BundleError where the last one is cut off."""
    reader, frames = ByteReader(data), []
    while reader.left:
        (size,) = _LENGTH.unpack(reader.take(_LENGTH.size))
        frames.append(reader.take(size))
    return frames


def mmap_file(descriptor: int) -> memoryview:
    """A file's bytes, mapped and not copied."""
    if not os.fstat(descriptor).st_size:
        return memoryview(b"")
    return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
