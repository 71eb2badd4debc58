"""Every variant of a CSV gives the same messages; a row keeps its line; what is no CSV is told so."""

import csv
import gzip
import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from netheal.contracts import contract, wire_contracts
from netheal.records.decode_table import decode_table
from netheal.records.decoded import DecodedFlows
from netheal.records.encode import encode_rows
from netheal.records.flow_files import read_flow_file
from netheal.records.reasons import Rejection, RejectionReason
from netheal.records.text_cells import Words
from netheal.records.vocabulary import Vocabulary
from netheal.uploads import csv_rows, flow_file
from netheal.uploads.flow_file import FlowChunk, open_flows
from netheal.uploads.refusal import FileRefused

THREAT, ATTACK = contract("threat/v1"), contract("attack/v1")
HEADER = ",".join(THREAT.names)
ROW = "http,SF,181,5450,8,1.0,0.5,9,1.0,0.11"


def read(content: bytes | str) -> list[FlowChunk]:
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return list(open_flows(file, wire_contracts()).chunks())


def messages(content: bytes | str) -> list[bytes]:
    return [message for chunk in read(content) for message in chunk.messages(range(len(chunk.lines)))]


def lines(content: bytes | str) -> list[int]:
    return [line for chunk in read(content) for line in chunk.lines]


def refusal(content: bytes | str) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        read(content)
    return caught.value


PLAIN = f"{HEADER}\n{ROW}\n{ROW}\n"
VARIANTS: dict[str, bytes | str] = {
    "a byte order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "UTF-16 little endian": PLAIN.encode("utf-16"),
    "UTF-16 big endian": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "CRLF": PLAIN.replace("\n", "\r\n"),
    "CR": PLAIN.replace("\n", "\r"),
    "no newline at the end": PLAIN.rstrip(),
    "blank lines": f"\n{HEADER}\n\n{ROW}\n  \n{ROW}\n\n\r\n \n",
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "quotes": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in PLAIN.split()),
    "upper case": PLAIN.replace(HEADER, HEADER.upper()),
    "spaces in the header": PLAIN.replace(HEADER, HEADER.replace(",", " , ")),
    "spaces around numbers": PLAIN.replace("181", " 181 "),
}


@pytest.mark.parametrize("content", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_gives_the_plain_files_messages(content: bytes | str) -> None:
    assert messages(content) == messages(PLAIN)
    assert len(messages(PLAIN)) == 2


@pytest.mark.parametrize("content", VARIANTS.values(), ids=VARIANTS)
def test_messages_are_those_that_traffic_send_would_send(content: bytes | str, tmp_path: Path) -> None:
    path = tmp_path / "flows.csv"
    path.write_text(PLAIN)
    assert messages(content) == [message for table in read_flow_file(path) for message in encode_rows(table)]


def test_a_cic_file_with_a_dash_of_cp1252_and_a_header_that_comes_twice() -> None:
    names = [*ATTACK.names, " Fwd Header Length", "sensor_id"]
    row = ["1"] * len(ATTACK.names) + ["77", "Saal \x96 2"]
    text = (",".join(names) + "\n" + ",".join(row) + "\n").encode("latin-1")
    (message,) = map(json.loads, messages(text))
    assert message[" Fwd Header Length"] == 1
    assert message["sensor_id"] == "Saal – 2"


def test_columns_that_mean_nothing_are_in_no_message() -> None:
    names = [*ATTACK.names, " Fwd Header Length", " Label", "Src IP"]
    (message,) = map(json.loads, messages(f"{','.join(names)}\n{','.join(['1'] * len(names))}\n"))
    assert list(message) == [*ATTACK.names, "Src IP"]


def test_words_for_infinity_and_nan_are_numbers() -> None:
    names = ",".join(ATTACK.names)
    cells = ["1"] * len(ATTACK.names)
    cells[8], cells[9] = "Infinity", "NaN"
    (message,) = map(json.loads, messages(f"{names}\n{','.join(cells)}\n"))
    assert message["Flow Bytes/s"] == float("inf")
    assert message[" Flow Packets/s"] != message[" Flow Packets/s"]


def test_a_file_with_the_columns_of_two_contracts_has_both() -> None:
    header = f"{HEADER},{','.join(ATTACK.names)}"
    flow_file = open_flows(io.BytesIO(header.encode()), wire_contracts())
    assert [c.id for c in flow_file.contracts] == ["attack/v1", "threat/v1"]


def test_a_row_keeps_the_line_in_which_it_begins() -> None:
    note = '"two\nlines"'
    text = f"\n{HEADER},note\n{ROW},{note}\n\n{ROW},x\n{ROW},{note}\r\n{ROW},y\n"
    assert lines(text) == [3, 6, 7, 9]


def test_rows_of_too_many_and_too_few_cells_stay_in_their_places() -> None:
    (chunk,) = read(f"{HEADER}\n{ROW}\n{ROW},1\nhttp,SF\n{ROW}\n")
    assert chunk.decoded.rejected == [
        Rejection(1, RejectionReason.MALFORMED_ROW, detail="11 cells, where the header has 10"),
        Rejection(2, RejectionReason.MALFORMED_ROW, detail="2 cells, where the header has 10"),
    ]
    assert chunk.decoded.position.tolist() == [0, 3]
    malformed = [json.loads(message) for message in chunk.messages([1, 2])]
    assert malformed == [{"malformed_row": f"{ROW},1"}, {"malformed_row": "http,SF"}]
    assert chunk.messages([3, 0]) == messages(PLAIN)
    assert chunk.lines == [2, 3, 4, 5]


def test_rejected_rows_are_in_order_and_only_theirs_are_written_as_messages() -> None:
    (chunk,) = read(f"{HEADER}\nhttp\n{ROW.replace('181', 'many')}\n{ROW}\n\nhttp,SF\n{ROW.replace('181', 'NaN')}\n")
    rejected = chunk.decoded.rejected
    assert [(r.position, r.reason, r.field) for r in rejected] == [
        (0, "malformed_row", ""),
        (1, "wrong_type", "src_bytes"),
        (3, "malformed_row", ""),
        (4, "nan", "src_bytes"),
    ]
    assert chunk.decoded.position.tolist() == [2]
    kept = [json.loads(message) for message in chunk.messages([r.position for r in rejected])]
    assert kept[0] == {"malformed_row": "http"}
    assert kept[1]["src_bytes"] == "many"
    assert math.isnan(kept[3]["src_bytes"])


def test_order_and_lines_hold_over_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_file, "_CHUNK_ROWS", 3)
    rows = "".join(f"http,SF,{at},5450,8,1.0,0.5,9,1.0,0.11\n" for at in range(8))
    assert len(read(f"{HEADER}\n{rows}")) == 3
    assert [json.loads(m)["src_bytes"] for m in messages(f"{HEADER}\n{rows}")] == list(range(8))
    assert lines(f"{HEADER}\n{rows}") == list(range(2, 10))


def test_a_chunk_of_long_rows_has_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_file, "_CHUNK_CHARS", 2 * len(ROW))
    assert [len(chunk.lines) for chunk in read(f"{HEADER}\n" + f"{ROW}\n" * 5)] == [2, 2, 1]


def test_nsl_kdd_without_a_header_is_known() -> None:
    row = "0,tcp,http,SF," + ",".join(["1"] * 37) + ",normal,21"
    assert lines(f"{row}\n{row}\n") == [1, 2]
    assert json.loads(messages(f"{row}\n")[0])["service"] == "http"


def archive(name: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(name, PLAIN)
    return content.getvalue()


REFUSED: dict[str, tuple[Any, str, str]] = {
    "nothing": (b"", "empty_file", "the file is empty"),
    "a byte order mark alone": (b"\xef\xbb\xbf", "empty_file", "the file is empty"),
    "blank lines alone": ("\n\r\n \n", "empty_file", "the file is empty"),
    "a header alone": (HEADER, "empty_file", "a header and no rows"),
    "gzip": (gzip.compress(PLAIN.encode()), "not_csv", "unpack it first"),
    "zip": (archive("flows.csv"), "not_csv", "zip archive"),
    "a workbook": (archive("xl/workbook.xml"), "not_csv", "Excel"),
    "Parquet": (b"PAR1\x15\x04", "not_csv", "Parquet"),
    "a capture": (b"\xd4\xc3\xb2\xa1\x02\x00", "not_csv", "flow meter"),
    "JSON": (b'{"src_bytes": 1}', "not_csv", "JSON"),
    "bytes": (b"a,\x00\x01\x02\n", "not_csv", "not text"),
    "broken UTF-16": (b"\xff\xfe\x00\xd8\x00\xd8a", "not_csv", "UTF-16"),
    "an open quote": (f'{HEADER}\n{ROW}\n"{ROW}\n' + f"{ROW}\n" * 5_000, "not_csv", "line 3"),
    "a row without end": (f'{HEADER}\n"' + '\n","' * 400_000, "not_csv", "a quote not closed"),
    "other columns": ("a,b,c\n1,2,3\n", "no_contract", "nearest is"),
    "too many columns": (",".join(map(str, range(2_000))), "not_csv", "2000 columns"),
    "a million columns": ("," * 999_000 + "\n", "not_csv", "999001 characters"),
    "a million equal columns": ("a," * 499_000 + "\n", "not_csv", "998001 characters"),
    "a cell of the first line that no reader takes": ("x" * 140_000 + f",{PLAIN}", "not_csv", "characters"),
    "a header over many lines": ('"' + "a\n" * 50_000 + f'",{PLAIN}', "not_csv", "characters"),
    "a long name": (f"{HEADER},{'x' * 300}\n{ROW},1\n", "not_csv", "300 characters, more than 256"),
    "long names": (f"{HEADER},{','.join(f'{n:0250}' for n in range(600))}\n{ROW}\n", "not_csv", "more than 65536"),
}


@pytest.mark.parametrize(("content", "code", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_flow_file_is_refused(content: bytes | str, code: str, says: str) -> None:
    refused = refusal(content)
    assert refused.code == code
    assert says in str(refused)


def test_the_nearest_contract_and_what_it_lacks_are_named() -> None:
    refused = refusal(PLAIN.replace(",same_srv_rate,", ",rate,"))
    assert refused.details == {"nearest": "threat/v1", "missing": ["same_srv_rate"]}
    assert '"same_srv_rate"' in str(refused)


def test_a_row_is_no_longer_for_long_names_that_mean_nothing() -> None:
    names = [f"{n:060}" for n in range(1_000)]
    sent = messages(f"{HEADER},{','.join(names)}\n" + f"{ROW}{',1' * len(names)}\n" * 3)
    assert sent == messages(PLAIN)[:1] * 3


def test_words_among_numbers_stay_in_their_rows_without_a_table_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []

    def counting(vocabulary: Vocabulary, table: pa.Table, words: Words) -> DecodedFlows:
        decoded.append(table.num_rows)
        return decode_table(vocabulary, table, words)

    monkeypatch.setattr(flow_file, "decode_table", counting)
    cells = ["7", "many", "+1", "", " 2 ", "nan", "0x10", "-inf", "1e3"] * 50
    rows = "".join(f"http,SF,{cell},5450,8,1.0,0.5,9,1.0,0.11\n" for cell in cells)
    found = [json.loads(message).get("src_bytes") for message in messages(f"{HEADER}\n{rows}")]
    expected = [7, "many", 1, None, 2, math.nan, "0x10", -math.inf, 1000] * 50
    assert list(map(repr, map(float_or_word, found))) == list(map(repr, map(float_or_word, expected)))
    assert decoded == [len(cells)]


def float_or_word(value: object) -> object:
    return float(value) if isinstance(value, int) else value


def test_lines_are_bounded_whatever_is_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MAX_LINES", 10)
    assert len(messages(f"{HEADER}\n{ROW}\n" + "\n" * 8)) == 1
    for content in (f"{HEADER}\n{ROW}\n" + "\n" * 9, "\n" * 11, f"{HEADER}\r{ROW}\r" + "\r" * 9):
        refused = refusal(content)
        assert (refused.code, refused.details) == ("too_many_rows", {"most_lines": 10})


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_line_is_whole_wherever_a_block_of_the_file_ends(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr(csv_rows, "MAX_ROW_CHARS", len(HEADER) + 2)
    rows = "".join(f"http,SF,{at},5450,8,1.0,0.5,9,1.0,0.11{end}" for at in range(40))
    assert [json.loads(m)["src_bytes"] for m in messages(f"{HEADER}{end}{rows}")] == list(range(40))


def test_one_row_more_than_may_be_is_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_file, "MAX_ROWS", 2)
    assert len(messages(PLAIN)) == 2
    refused = refusal(f"{PLAIN}{ROW}\n")
    assert refused.code == "too_many_rows"
    assert "split it" in str(refused)


def test_a_larger_file_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_file, "MAX_BYTES", len(PLAIN))
    assert len(messages(PLAIN)) == 2
    assert refusal(PLAIN + "\n").code == "too_large"


def test_a_long_row_is_a_row_up_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MAX_ROW_CHARS", 200)
    note = "x" * 150
    assert len(messages(f"{HEADER},note\n{ROW},{note}\n")) == 1
    assert refusal(f"{HEADER},note\n{ROW},{note}{note}\n").code == "not_csv"


def test_cells_with_delimiters_and_quotes_come_through() -> None:
    text = io.StringIO()
    csv.writer(text).writerows([[*THREAT.names, "sensor_id"], [*ROW.split(","), 'a, "b"\nc']])
    assert json.loads(messages(text.getvalue())[0])["sensor_id"] == 'a, "b"\nc'
