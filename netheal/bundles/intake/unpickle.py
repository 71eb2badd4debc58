"""A pickle read by an interpreter of our own, of which no step can call, import or change anything.

Protocols 2 to 5, plain or with joblib's array bytes in the stream. Names become `Name`s of an allow-list,
objects become `Record`s, those of the makers' own classes `MakersObject`s of their fields, and arrays are made of
raw bytes of a checked kind and size. Opcodes that a model never needs (persistent ids, extension codes, INST, OBJ,
protocol 0's text) are refused.
"""

import struct
from collections.abc import Callable
from typing import Any

from netheal.bundles.intake.allow_list import Kind, kind_of
from netheal.bundles.intake.limits import PICKLE_DEPTH, PICKLE_STEPS, TEXT_BYTES
from netheal.bundles.intake.objects import build, call, new, plain_values, read_wrapper
from netheal.bundles.intake.reader import ByteReader
from netheal.bundles.intake.values import Name, Record
from netheal.errors import BundleError
from netheal.wording import cause

_DAMAGE = (IndexError, KeyError, struct.error, UnicodeError, ValueError, TypeError, OverflowError, AttributeError)


def unpickle(data: memoryview) -> Any:
    """The value of a whole file; raises BundleError, saying why, for anything but plain inert data."""
    reader = ByteReader(data)
    value = Unpickler(reader).run()
    if reader.left:
        raise BundleError(f"there are {reader.left} bytes after the pickle's end: the file was tampered with")
    return value


class Unpickler:
    """One stream's stack and memo."""

    def __init__(self, reader: ByteReader, depth: int = 0, steps: list[int] | None = None) -> None:
        if depth >= PICKLE_DEPTH:
            raise BundleError("the file nests pickle in pickle: no model needs that")
        self.reader = reader
        self.depth = depth
        self.steps = [0] if steps is None else steps
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Interpret up to STOP; the value left on the stack."""
        try:
            if self.reader.u1() != 0x80 or not 2 <= self.reader.u1() <= 5:
                raise BundleError("the file is no pickle of protocol 2 to 5")
            while True:
                self.steps[0] += 1
                if self.steps[0] > PICKLE_STEPS:
                    raise BundleError(f"the pickle has more than {PICKLE_STEPS} steps: that is no model's file")
                code = self.reader.u1()
                if code == _STOP:
                    return self._stopped()
                step = _STEPS.get(code)
                if step is None:
                    raise BundleError(_refused(code))
                step(self)
        except _DAMAGE as error:
            raise BundleError(f"the pickle is damaged near byte {self.reader.place}: {cause(error)}") from error

    def _stopped(self) -> Any:
        if len(self.stack) != 1 or self.marks:
            raise BundleError("the pickle ends with its work undone: it was made by hand")
        return self.stack[0]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def since_mark(self) -> list[Any]:
        """What was pushed since the last MARK."""
        values, self.stack = self.stack, self.marks.pop()
        return values

    def drop(self, value: Any) -> None:
        """Leave a value off the stack."""

    def name(self, module: Any, name: Any) -> None:
        """Push a name of the allow-list."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise BundleError("the pickle names something by what is no text")
        self.push(Name(*kind_of(module, name)))

    def nested(self) -> Any:
        """The value of a pickle inside this one, in the stream."""
        return Unpickler(self.reader, self.depth + 1, self.steps).run()


def _global(machine: Unpickler) -> None:
    machine.name(machine.reader.line(), machine.reader.line())


def _stack_global(machine: Unpickler) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.name(module, name)


def _made_by(make: Callable[[Name, tuple[Any, ...]], Any]) -> Callable[[Unpickler], None]:
    def step(machine: Unpickler) -> None:
        args, target = machine.stack.pop(), machine.stack.pop()
        if not isinstance(target, Name) or not isinstance(args, tuple):
            raise BundleError("the pickle calls something that is no name of an accepted model")
        machine.push(make(target, args))

    return step


def _build(machine: Unpickler) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    if isinstance(target, Record) and target.name.kind is Kind.WRAPPER:
        machine.stack[-1] = read_wrapper(target, state, machine.reader, machine.nested)
    else:
        build(target, state)


def _append(machine: Unpickler, values: list[Any]) -> None:
    if type(machine.stack[-1]) is not list:
        raise BundleError("the pickle appends to what is no list")
    machine.stack[-1].extend(values)


def _set(machine: Unpickler, values: list[Any]) -> None:
    target = machine.stack[-1]
    if type(target) is not dict or len(values) % 2:
        raise BundleError("the pickle sets items of what is no dictionary")
    target.update(zip(plain_values(values[::2], "dictionary"), values[1::2], strict=True))


def _add(machine: Unpickler, values: list[Any]) -> None:
    if type(machine.stack[-1]) is not set:
        raise BundleError("the pickle adds elements to what is no set")
    machine.stack[-1].update(plain_values(values, "set"))


def _setitem(machine: Unpickler) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _set(machine, [key, value])


def _mark(machine: Unpickler) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _tuple(size: int) -> Callable[[Unpickler], None]:
    def step(machine: Unpickler) -> None:
        if len(machine.stack) < size:
            raise BundleError("the pickle takes more than it put down")
        machine.stack[-size:] = [tuple(machine.stack[-size:])]

    return step


def _text(read_size: Callable[[ByteReader], int]) -> Callable[[Unpickler], None]:
    def step(machine: Unpickler) -> None:
        size = read_size(machine.reader)
        if size > TEXT_BYTES:
            raise BundleError(f"a text of {size} bytes is in the file: no model has one")
        machine.push(bytes(machine.reader.take(size)).decode("utf-8"))

    return step


def _bytes(read_size: Callable[[ByteReader], int]) -> Callable[[Unpickler], None]:
    return lambda machine: machine.push(machine.reader.take(read_size(machine.reader)))


def _get(read_place: Callable[[ByteReader], int]) -> Callable[[Unpickler], None]:
    return lambda machine: machine.push(machine.memo[read_place(machine.reader)])


def _put(machine: Unpickler, place: int) -> None:
    machine.memo[place] = machine.stack[-1]


def _value(value: Any) -> Callable[[Unpickler], None]:
    return lambda machine: machine.push(value)


def _long(machine: Unpickler) -> None:
    machine.push(int.from_bytes(machine.reader.take(machine.reader.u1()), "little", signed=True))


def _frame(machine: Unpickler) -> None:
    if machine.reader.u8() > machine.reader.left:
        raise BundleError("the file is incomplete: a frame of the pickle ends after it")


_STOP = ord(".")
_STEPS: dict[int, Callable[[Unpickler], None]] = {
    ord("("): _mark,
    ord("0"): lambda machine: machine.drop(machine.stack.pop()),
    ord("1"): lambda machine: machine.drop(machine.since_mark()),
    ord("N"): _value(None),
    0x88: _value(True),
    0x89: _value(False),
    ord("J"): lambda machine: machine.push(machine.reader.i4()),
    ord("K"): lambda machine: machine.push(machine.reader.u1()),
    ord("M"): lambda machine: machine.push(machine.reader.u2()),
    0x8A: _long,
    ord("G"): lambda machine: machine.push(machine.reader.f8()),
    ord("X"): _text(ByteReader.u4),
    0x8C: _text(ByteReader.u1),
    0x8D: _text(ByteReader.u8),
    ord("B"): _bytes(ByteReader.u4),
    ord("C"): _bytes(ByteReader.u1),
    0x8E: _bytes(ByteReader.u8),
    0x96: _bytes(ByteReader.u8),
    ord("]"): lambda machine: machine.push([]),
    ord("a"): lambda machine: _append(machine, [machine.stack.pop()]),
    ord("e"): lambda machine: _append(machine, machine.since_mark()),
    ord(")"): _value(()),
    ord("t"): lambda machine: machine.push(tuple(machine.since_mark())),
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("}"): lambda machine: machine.push({}),
    ord("s"): _setitem,
    ord("u"): lambda machine: _set(machine, machine.since_mark()),
    0x8F: lambda machine: machine.push(set()),
    0x90: lambda machine: _add(machine, machine.since_mark()),
    0x91: lambda machine: machine.push(frozenset(plain_values(machine.since_mark(), "set"))),
    ord("q"): lambda machine: _put(machine, machine.reader.u1()),
    ord("r"): lambda machine: _put(machine, machine.reader.u4()),
    0x94: lambda machine: _put(machine, len(machine.memo)),
    ord("h"): _get(ByteReader.u1),
    ord("j"): _get(ByteReader.u4),
    ord("c"): _global,
    0x93: _stack_global,
    ord("R"): _made_by(call),
    0x81: _made_by(new),
    ord("b"): _build,
    0x95: _frame,
}
_NAMES = {
    **dict.fromkeys(b"PQ", "a persistent id"),
    **dict.fromkeys(b"\x82\x83\x84", "an extension code"),
    **dict.fromkeys(b"io", "an old way to make objects (INST, OBJ)"),
    0x92: "an object made with keywords",
    **dict.fromkeys(b"\x97\x98", "a buffer outside the file"),
}


def _refused(code: int) -> str:
    what = _NAMES.get(code, f"opcode {code:#04x}")
    return f"the pickle uses {what}, which no accepted model of protocol 2 to 5 needs"
