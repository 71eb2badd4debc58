"""Every row of a flow file comes out under the wire names, whatever the file's spelling; none is lost."""

import gzip
import math
import os
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from netheal.contracts import Contract, contract, known_features, wire_contracts
from netheal.contracts.declared_features import declared_features
from netheal.contracts.own_contract import contract_for
from netheal.errors import ContractError, SettingsError
from netheal.records.flow_files import MALFORMED, WHOLE, Span, flow_rows, flow_spans, read_flow_file
from netheal.records.headers import wire_headers
from tests.unit.steps import steps_of

SHARED = Path(os.environ.get("NETHEAL_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="no public data: set NETHEAL_SHARED_DATA to their folder")
ATTACK, THREAT = contract("attack/v1"), contract("threat/v1")


def written(tmp_path: Path, text: str | bytes, name: str = "flows.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def csv_text(headers: list[str], *rows: list[str]) -> str:
    return "".join(",".join(cells) + "\n" for cells in (headers, *rows))


def cells(value: str = "1", **changed: str) -> list[str]:
    """A row of threat/v1 with `value` in every number."""
    row = dict.fromkeys(THREAT.names, value) | {"service": "http", "flag": "SF"}
    return list((row | changed).values())


@pytest.mark.parametrize("wire", wire_contracts(), ids=lambda value: value.id)
def test_every_spelling_of_the_contract_is_known(wire: Contract) -> None:
    for feature in wire.features:
        for spelling in (feature.name, feature.column, *feature.aliases):
            for header in (spelling, spelling.upper(), f"  {spelling.strip()} ", spelling.replace(" ", "_")):
                assert wire_headers([header], wire.features) == [feature.name]


def test_the_first_of_two_equal_headers_counts() -> None:
    headers = [" Fwd Header Length", "Label", " Fwd Header Length", "Label"]
    expected = [" Fwd Header Length", "Label", " Fwd Header Length.1", "Label.1"]
    assert wire_headers(headers, ATTACK.features) == expected


def test_a_copy_takes_no_name_that_is_there() -> None:
    assert wire_headers(["a.1", "a", "a", "a.2", "a"], ATTACK.features) == ["a.1", "a", "a.2", "a.2.1", "a.3"]


@pytest.mark.parametrize("headers", [["a"] * 2_000, [*(f"a.{n}" for n in range(1, 1_001)), *["a"] * 1_000]])
def test_names_of_copies_are_found_in_linear_time(headers: list[str]) -> None:
    assert len(set(wire_headers(headers, ATTACK.features))) == 2_000
    assert steps_of(lambda: wire_headers(headers, ATTACK.features)) < 50_000


@pytest.mark.parametrize("header", ["Src IP", " Source IP", "Flow ID", " Timestamp", "event_id", "Protocol"])
def test_envelope_columns_keep_their_names(header: str) -> None:
    assert wire_headers([header], known_features().values()) == [header]


def test_known_features_are_numbers_under_their_wire_names_whatever_contract_has_them(tmp_path: Path) -> None:
    text = csv_text([*THREAT.names, "Flow IAT Max", "Fwd Pkts/s", "note"], [*cells(), "7", "0.5", "7"])
    (table,) = read_flow_file(written(tmp_path, text))
    assert [table[name].to_pylist() for name in (" Flow IAT Max", "Fwd Packets/s", "note")] == [[7], [0.5], ["7"]]


def test_a_file_with_the_columns_of_a_contract_of_its_own(tmp_path: Path) -> None:
    declared = declared_features({"Payload Entropy": {"type": "number", "minimum": 0, "meaning": "bits"}})
    own = contract_for(["duration", "Payload Entropy"], "threat_detector", declared)
    path = written(tmp_path, csv_text(["Duration", "payload_entropy"], ["3", "0.5"]))
    (table,) = read_flow_file(path, [own])
    assert table.to_pylist() == [{"duration": 3, "Payload Entropy": 0.5}]
    with pytest.raises(ContractError, match="the columns of none of"):
        next(read_flow_file(path))


def test_byte_order_mark_and_other_encodings(tmp_path: Path) -> None:
    text = csv_text([*THREAT.names, "Label"], [*cells(), "Web Attack \u2013 XSS"], [*cells(), "plain"])
    plain = read_flow_file(written(tmp_path, text, "plain.csv"))
    marked = read_flow_file(written(tmp_path, text.encode("utf-8-sig"), "marked.csv"))
    windows = read_flow_file(written(tmp_path, text.encode("cp1252"), "windows.csv"))
    packed = read_flow_file(written(tmp_path, gzip.compress(text.encode()), "packed.csv.gz"))
    expected = next(plain)
    assert expected.column_names == [*THREAT.names, "Label"]
    assert all(next(other).equals(expected) for other in (marked, windows, packed))


def test_a_byte_of_no_code_page_does_not_end_the_file(tmp_path: Path) -> None:
    text = csv_text([*THREAT.names, "Label"], [*cells(), "é"], [*cells(), "?"]).encode()
    (table,) = read_flow_file(written(tmp_path, text.replace(b"?", b"\x81\x96")))
    assert table["Label"].to_pylist() == ["é", "\x81\x96"]


def test_infinity_and_nan_stay_and_an_empty_cell_is_null(tmp_path: Path) -> None:
    rows = [cells(count=cell) for cell in ("Infinity", "-inf", "NaN", "", " 7 ")]
    (table,) = read_flow_file(written(tmp_path, csv_text(list(THREAT.names), *rows)))
    count = table["count"].to_pylist()
    assert count[:2] == [math.inf, -math.inf]
    assert math.isnan(count[2])
    assert count[3:] == [None, 7.0]


def test_a_word_in_a_number_column_stays_and_spoils_no_other_row(tmp_path: Path) -> None:
    rows = [cells("1"), cells("2", count="many"), cells("3", service="80"), cells("4")]
    tables = list(read_flow_file(written(tmp_path, csv_text(list(THREAT.names), *rows))))
    rows_read = [row for table in tables for row in table.to_pylist()]
    assert [row["count"] for row in rows_read] == [1, "many", 3, 4]
    assert [row["service"] for row in rows_read] == ["http", "http", 80, "http"]
    assert [row["src_bytes"] for row in rows_read] == [1, 2, 3, 4]


def test_a_row_with_too_few_or_too_many_cells_comes_out_as_its_text(tmp_path: Path) -> None:
    text = csv_text(list(THREAT.names), cells(), ["1", "2"], cells(), [*cells(), "more"])
    tables = list(read_flow_file(written(tmp_path, text)))
    assert [table.num_rows for table in tables] == [2, 2]
    assert tables[1][MALFORMED].to_pylist() == ["1,2", ",".join([*cells(), "more"])]


def test_a_parquet_file_with_words_for_numbers(tmp_path: Path) -> None:
    columns = dict(zip(THREAT.names, ([cell, cell] for cell in cells("0.5")), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "flows.parquet")
    (table,) = read_flow_file(tmp_path / "flows.parquet")
    assert table["count"].to_pylist() == [0.5, 0.5]
    assert table["service"].to_pylist() == ["http", "http"]


def test_a_file_with_a_header_only_has_no_rows(tmp_path: Path) -> None:
    (table,) = read_flow_file(written(tmp_path, csv_text(list(ATTACK.names))))
    assert (table.num_rows, table.column_names) == (0, list(ATTACK.names))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([f"c{n}" for n in range(2_000)], "2010 columns"),
        (["x" * 300], "300 characters"),
        ([f"{n:0250}" for n in range(600)], "more than 65536"),
    ],
)
def test_a_header_that_would_swell_every_row_is_refused(tmp_path: Path, names: list[str], says: str) -> None:
    headers = [*THREAT.names, *names]
    pq.write_table(pa.table({name: ["1"] for name in headers}), tmp_path / "flows.parquet")
    for path in (written(tmp_path, csv_text(headers, ["1"] * len(headers))), tmp_path / "flows.parquet"):
        with pytest.raises(ContractError, match=says):
            list(read_flow_file(path))


def test_a_line_without_end_is_refused_without_reading_all_of_it(tmp_path: Path) -> None:
    packed = gzip.compress(b"x" * (64 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(ContractError, match="a line has more than"):
            list(read_flow_file(written(tmp_path, packed)))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"\n", b"name,age\nx,1\n", b"\x00\xff\r\r\x01\n", b"PAR1 no", b"\x1f\x8b no"])
def test_a_file_that_is_no_flow_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ContractError, match="flows.csv"):
        list(read_flow_file(written(tmp_path, content)))


def test_the_refusal_names_the_missing_columns(tmp_path: Path) -> None:
    headers = [name for name in THREAT.names if name != "count"]
    with pytest.raises(ContractError, match=r'threat/v1.*missing: "count"\.'):
        list(read_flow_file(written(tmp_path, csv_text(headers))))


def test_a_file_that_is_not_there_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.csv"):
        list(read_flow_file(tmp_path / "nothing.csv"))


def test_a_cut_gzip_file_gives_its_rows_and_then_an_error(tmp_path: Path) -> None:
    rows = [cells(str(number)) for number in range(100_000)]
    packed = gzip.compress(csv_text(list(THREAT.names), *rows).encode())
    read = read_flow_file(written(tmp_path, packed[: len(packed) * 9 // 10]))
    assert next(read).num_rows > 1000
    with pytest.raises(ContractError, match="damaged"):
        list(read)


@needs_data
@pytest.mark.parametrize(
    ("name", "contract_id", "rows"),
    [
        ("cic-ids2017/reference_12006.csv.gz", "attack/v1", 12_006),
        ("cic-ids2017/original_90k.parquet", "attack/v1", 90_296),
        ("cic-ids2017/improved_25k.parquet", "attack/v1", 25_127),
        ("nsl-kdd/Train_data.csv.gz", "threat/v1", 25_192),
        ("nsl-kdd/KDDTest+.txt.gz", "threat/v2", 22_544),
    ],
)
def test_published_files_are_read_whole(name: str, contract_id: str, rows: int) -> None:
    wire = contract(contract_id)
    tables = list(read_flow_file(SHARED / name))
    assert sum(table.num_rows for table in tables) == rows
    for table in tables:
        for feature in wire.features:
            kind = table.schema.field(feature.name).type
            assert pa.types.is_string(kind) if feature.category else not pa.types.is_string(kind)


def lines_of(path: Path, span: Span = WHOLE) -> list[tuple[int, bool]]:
    """Line and whether it is malformed, of every row."""
    return sorted(
        (line, rows.malformed) for rows in flow_rows(path, wire_contracts(), span) for line in rows.lines.tolist()
    )


def test_rows_know_their_lines_beside_empty_and_malformed_ones(tmp_path: Path) -> None:
    row = ",".join(cells())
    text = "\n".join([",".join(THREAT.names), row, "", "1,2", row, "", "", row, f"{row},more"]) + "\n"
    expected = [(2, False), (4, True), (5, False), (8, False), (9, True)]
    assert lines_of(written(tmp_path, text)) == expected
    assert lines_of(written(tmp_path, text.replace("\n", "\r\n"))) == expected
    assert lines_of(written(tmp_path, text.removesuffix("\n"))) == expected


def test_rows_know_their_lines_behind_line_ends_within_quotes(tmp_path: Path) -> None:
    header, row = csv_text([*THREAT.names, "note"]), ",".join(cells())
    text = f'{header}{row},"a\nb"\n{row},c\n\n{row},"d"\n'
    assert lines_of(written(tmp_path, text)) == [(2, False), (4, False), (6, False)]


def test_rows_of_nsl_kdd_and_of_parquet_are_numbered_from_one(tmp_path: Path) -> None:
    kdd = ",".join(["0", "tcp", "http", "SF", "1", *["0"] * 36, "normal", "21"])
    assert lines_of(written(tmp_path, f"{kdd}\n{kdd}\n", "KDD.txt")) == [(1, False), (2, False)]
    columns = dict(zip(THREAT.names, ([cell] * 5 for cell in cells()), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "flows.parquet", row_group_size=2)
    assert lines_of(tmp_path / "flows.parquet") == [(line, False) for line in range(1, 6)]
    assert lines_of(tmp_path / "flows.parquet", Span(1, 3, 3)) == [(line, False) for line in range(3, 6)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_spans_of_a_file_are_its_rows(tmp_path: Path, end: str) -> None:
    text = csv_text([*THREAT.names, "Label"], *([*cells(str(n)), f'"W{n}"'] for n in range(1_000)))
    path = written(tmp_path, b"\xef\xbb\xbf" + text.replace("\n", end).encode())
    spans = flow_spans(path, wire_contracts(), 5_000)
    assert len(spans) > 5
    pieces = [rows for span in spans for rows in flow_rows(path, wire_contracts(), span)]
    assert [line for rows in pieces for line in rows.lines.tolist()] == list(range(2, 1_002))
    whole = pa.concat_tables(rows.table for rows in flow_rows(path, wire_contracts()))
    assert pa.concat_tables(rows.table for rows in pieces).equals(whole)


def test_a_file_that_cannot_be_entered_in_the_middle_is_one_span(tmp_path: Path) -> None:
    text = csv_text([*THREAT.names, "note"], *([*cells(), '"a\nb"'] for _ in range(1_000)))
    assert flow_spans(written(tmp_path, text), wire_contracts(), 5_000) == [WHOLE]
    plain = csv_text(list(THREAT.names), *(cells() for _ in range(1_000)))
    packed = written(tmp_path, pa.compress(plain.encode(), "zstd", asbytes=True), "flows.csv.zst")
    assert flow_spans(packed, wire_contracts(), 50) == [WHOLE]


def test_a_zstd_file_is_read_and_one_that_breaks_off_gives_its_rows_first(tmp_path: Path) -> None:
    rows = [cells(str(number)) for number in range(100_000)]
    packed = pa.compress(csv_text(list(THREAT.names), *rows).encode(), "zstd", asbytes=True)
    assert sum(table.num_rows for table in read_flow_file(written(tmp_path, packed))) == 100_000
    read = read_flow_file(written(tmp_path, packed[: len(packed) * 9 // 10]))
    assert next(read).num_rows > 1000
    with pytest.raises(ContractError, match="damaged"):
        list(read)


@pytest.mark.parametrize("sign", [";", "\t"])
def test_other_signs_between_cells(tmp_path: Path, sign: str) -> None:
    text = csv_text(list(THREAT.names), cells("3")).replace(",", sign)
    (table,) = read_flow_file(written(tmp_path, text))
    assert table["count"].to_pylist() == [3]


def test_a_meter_of_other_units_is_converted_and_named(tmp_path: Path) -> None:
    own = contract_for([" Flow Duration", "Active Mean", " Flow IAT Mean"], "threat_detector", {})
    names = ["flow_duration", "active_mean", "flow_iat_mean", "flow_byts_s", "totlen_fwd_pkts", "cwe_flag_count"]
    row = ["0.25", "0.5", "3", "1", "1", "0"]
    (table,) = read_flow_file(written(tmp_path, csv_text(names, row)), [own])
    assert table.select(own.names).to_pylist() == [dict(zip(own.names, (250_000.0, 500_000.0, 3), strict=True))]
    assert table["extractor"].to_pylist() == ["cicflowmeter-py/seconds"]
    (other,) = read_flow_file(written(tmp_path, csv_text([*names, "fwd_byts_b_avg"], [*row, "0"])), [own])
    assert other[" Flow Duration"].to_pylist() == [0.25]
    assert other["extractor"].to_pylist() == ["CICFlowMeter/short names"]
    (named,) = read_flow_file(written(tmp_path, csv_text([*names, "extractor"], [*row, "mine"])), [own])
    assert named["extractor"].to_pylist() == ["mine"]
