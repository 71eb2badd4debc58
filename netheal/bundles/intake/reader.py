"""Bytes taken one after the other, never more than there are."""

import struct
from typing import Any

from netheal.errors import BundleError

_LONGEST_LINE = 512


class ByteReader:
    """A place in the bytes of a file."""

    def __init__(self, data: memoryview) -> None:
        self._data = data.toreadonly()
        self.place = 0

    @property
    def left(self) -> int:
        """Bytes not yet taken."""
        return len(self._data) - self.place

    def take(self, size: int) -> memoryview:
        """The next bytes, not copied; raises BundleError where the file ends before."""
        if not 0 <= size <= self.left:
            raise BundleError(f"the file is incomplete: {size} bytes are missing at byte {self.place}")
        self.place += size
        return self._data[self.place - size : self.place]

    def line(self) -> str:
        """Text up to a newline."""
        head = bytes(self._data[self.place : self.place + _LONGEST_LINE])
        end = head.find(b"\n")
        if end < 0:
            raise BundleError("the pickle holds a name that does not end")
        self.place += end + 1
        return head[:end].decode("utf-8")

    def u1(self) -> int:
        """An unsigned byte."""
        if self.left < 1:
            raise BundleError("the file is incomplete: it ends within the pickle")
        self.place += 1
        return self._data[self.place - 1]

    def u2(self) -> int:
        """Two bytes, unsigned."""
        return int(self._number("<H", 2))

    def u4(self) -> int:
        """Four bytes, unsigned."""
        return int(self._number("<I", 4))

    def i4(self) -> int:
        """Four bytes, signed."""
        return int(self._number("<i", 4))

    def u8(self) -> int:
        """Eight bytes, unsigned."""
        return int(self._number("<Q", 8))

    def f8(self) -> float:
        """A double, big end first as pickle has it."""
        return float(self._number(">d", 8))

    def _number(self, layout: str, size: int) -> Any:
        return struct.unpack(layout, self.take(size))[0]
