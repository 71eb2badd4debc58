"""What the decoder compiles is compiled before the first message: no batch waits for it later."""

import pyarrow as pa
import pytest

from netheal.contracts import wire_contracts
from netheal.records.decode import MessageDecoder
from netheal.records.json_scan.gather import gather
from netheal.records.json_scan.preload import preload_scan
from netheal.records.json_scan.scan import key_hash, scan
from netheal.records.vocabulary import vocabulary

MESSAGE = b'{"src_ip":"10.0.0.1","dst_port":"80","protocol_type":"tcp","duration":1.5,"note":[1,{"a":null}]}'


def _received(messages: list[bytes]) -> pa.Array:
    """An array as it comes from elsewhere, in memory that nothing may write to."""
    sink = pa.BufferOutputStream()
    table = pa.table({"value": pa.array(messages, pa.binary())})
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return pa.ipc.open_stream(sink.getvalue()).read_all()["value"].combine_chunks()


BATCHES = {
    "none": pa.array([], pa.binary()),
    "one": pa.array([MESSAGE], pa.binary()),
    "some that are odd": pa.array([MESSAGE, b"{", b"", MESSAGE.replace(b"tcp", b"\\u0074cp")], pa.binary()),
    "nothing but empty ones": pa.array([b"", b""], pa.binary()),
    "a slice": pa.array([b"{}", MESSAGE, MESSAGE, b"{}"], pa.binary()).slice(1, 2),
    "received": _received([MESSAGE]),
}


@pytest.mark.parametrize("messages", BATCHES.values(), ids=BATCHES)
def test_no_batch_has_anything_compiled(messages: pa.Array) -> None:
    preload_scan()
    before = [len(function.signatures) for function in (scan, gather, key_hash)]
    MessageDecoder(vocabulary(wire_contracts())).decode(messages)
    assert [len(function.signatures) for function in (scan, gather, key_hash)] == before == [1, 1, 1]
