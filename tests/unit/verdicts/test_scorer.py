"""Each record is scored once, for the same verdict whatever came with it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from netheal.bundles.served import ServedBundle
from netheal.bundles.training_ranges import with_ranges
from netheal.contracts import contract
from netheal.contracts.schema import rejected_schema, verdict_schema
from netheal.records.decode_table import decode_table
from netheal.records.stored_columns import wire_columns
from netheal.scoring.model import ServedModel
from netheal.traffic.generator import TrafficGenerator
from netheal.verdicts.counts import count_rows
from netheal.verdicts.encode import encode_verdicts
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import Origin, ScoredBatch

MakeRecords = Callable[[Sequence[bytes | None]], pa.RecordBatch]
ROWS = 3_000


@pytest.fixture(scope="module")
def records(make_records: MakeRecords) -> pa.RecordBatch:
    """Generated traffic of both contracts, every tenth message broken."""
    return make_records(TrafficGenerator(7, broken_share=0.1).messages(ROWS))


@pytest.fixture(scope="module")
def scored(scorer: RecordScorer, records: pa.RecordBatch) -> ScoredBatch:
    return scorer.score(records, 17)


def plain(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with its dictionaries spelled out, in one chunk."""
    return table.cast(schema).combine_chunks()


def test_every_record_is_in_exactly_one_of_the_two_results(records: pa.RecordBatch, scored: ScoredBatch) -> None:
    ids = [*scored.verdicts["event_id"].to_pylist(), *scored.rejected["event_id"].to_pylist()]
    partitions, offsets = records.column("partition").to_pylist(), records.column("offset").to_pylist()
    assert sorted(ids) == sorted(o * 1024 + p for p, o in zip(partitions, offsets, strict=True))
    assert 0.05 < scored.rejected.num_rows / ROWS < 0.15


def test_the_results_have_the_stored_columns(scored: ScoredBatch) -> None:
    assert plain(scored.verdicts, verdict_schema()).schema == verdict_schema()
    assert plain(scored.rejected, rejected_schema()).schema == rejected_schema()
    assert len(scored.rule) == scored.verdicts.num_rows


def test_a_rejected_record_keeps_all_that_a_replay_needs(records: pa.RecordBatch, scored: ScoredBatch) -> None:
    wanted = {(r["partition"], r["offset"]): r for r in records.to_pylist()}
    for row in scored.rejected.to_pylist():
        record = wanted[row["partition"], row["offset"]]
        assert (row["key"], row["value"], row["recorded_at"]) == (record["key"], record["value"], record["timestamp"])
        assert (row["topic"], row["batch_id"]) == ("network-traffic", 17)
        assert row["reason"]


def test_a_message_gets_the_predictions_of_the_contracts_it_fits(records: pa.RecordBatch, scored: ScoredBatch) -> None:
    values = dict(zip(_ids(records), records.column("value").to_pylist(), strict=True))
    seen = set()
    for row in scored.verdicts.to_pylist():
        message = json.loads(values[row["event_id"]])
        threat = all(name in message for name in contract("threat/v1").names)
        attack = all(name in message for name in contract("attack/v1").names)
        assert (row["threat_score"] is not None, row["attack_class"] is not None) == (threat, attack)
        assert row["is_attack"] == (row["threat_is_attack"] is True or row["attack_class_id"] not in (None, 0))
        seen.add((threat, attack))
    assert seen == {(True, False), (False, True), (True, True)}


def test_stored_features_are_what_the_message_said(records: pa.RecordBatch, scored: ScoredBatch) -> None:
    values = dict(zip(_ids(records), records.column("value").to_pylist(), strict=True))
    for row in scored.verdicts.to_pylist()[:500]:
        message = json.loads(values[row["event_id"]])
        for feature in contract("attack/v1").features:
            if feature.name in message:
                assert row[feature.column] == float(message[feature.name])
        if isinstance(message.get("service"), str):
            assert row["service_category"] == message["service"]


def test_an_event_id_counts_offsets_on_past_a_topic_that_was_made_again(
    scorer: RecordScorer, records: pa.RecordBatch, scored: ScoredBatch
) -> None:
    again = replace(scorer, offset_base=5_000).score(records, 17)
    ids = scored.verdicts["event_id"].to_numpy()
    assert (again.verdicts["event_id"].to_numpy() == ids + 5_000 * 1024).all()
    assert again.verdicts["offset"].equals(scored.verdicts["offset"])


@pytest.mark.parametrize("size", [1, 7, 255, 256, 257, 1_000])
def test_the_bytes_do_not_depend_on_where_batches_end(
    scorer: RecordScorer, records: pa.RecordBatch, scored: ScoredBatch, size: int
) -> None:
    part = records.slice(0, 300) if size == 1 else records
    parts = [scorer.score(part.slice(at, size), 17) for at in range(0, part.num_rows, size)]
    whole = scorer.score(part, 17)
    for name, schema in (("verdicts", verdict_schema()), ("rejected", rejected_schema())):
        tables = [plain(getattr(one, name), schema) for one in parts]
        joined = pa.concat_tables(tables).sort_by("event_id")
        expected = plain(getattr(whole, name), schema).sort_by("event_id")
        assert joined.equals(expected)
    messages = [message for one in parts for message in encode_verdicts(one.verdicts)]
    assert messages == encode_verdicts(whole.verdicts)


def test_scoring_twice_gives_the_same_bytes(scorer: RecordScorer, records: pa.RecordBatch, scored: ScoredBatch) -> None:
    again = scorer.score(records, 17)
    assert encode_verdicts(again.verdicts) == encode_verdicts(scored.verdicts)
    assert plain(again.verdicts, verdict_schema()).equals(plain(scored.verdicts, verdict_schema()))


def test_the_counts_add_up(scored: ScoredBatch) -> None:
    kinds: dict[str, int] = {}
    for (minute, kind, _), n in count_rows(scored.verdicts, scored.rejected).items():
        assert minute % 60 == 0
        kinds[kind] = kinds.get(kind, 0) + n
    verdicts = scored.verdicts
    assert kinds == {
        "prediction": verdicts.num_rows,
        "action": verdicts.num_rows,
        "class": len(verdicts) - verdicts["attack_class"].null_count,
        "threat": len(verdicts) - verdicts["threat_score"].null_count,
        "rejected": scored.rejected.num_rows,
    }


def test_the_counts_go_by_the_minute_of_the_record(scored: ScoredBatch) -> None:
    counts = count_rows(scored.verdicts, scored.rejected)
    table = scored.verdicts.to_pylist()
    for (minute, kind, name), n in counts.items():
        if kind == "prediction":
            rows = [r for r in table if r["recorded_at"].timestamp() // 60 * 60 == minute]
            assert n == sum(r["is_attack"] == (name == "attack") for r in rows)


@pytest.mark.parametrize("values", [[], [None], [b"", b"{}", b"\xff", b"[]", None] * 100])
def test_a_batch_without_a_flow_record_goes_through(
    scorer: RecordScorer, make_records: MakeRecords, values: list[bytes | None]
) -> None:
    scored = scorer.score(make_records(values), 1)
    assert (scored.verdicts.num_rows, scored.rejected.num_rows) == (0, len(values))
    assert encode_verdicts(scored.verdicts) == []
    assert sum(count_rows(scored.verdicts, scored.rejected).values()) == len(values)


def test_without_models_every_flow_waits_in_quarantine(
    scorer: RecordScorer, records: pa.RecordBatch, scored: ScoredBatch
) -> None:
    idle = replace(scorer, scorer=replace(scorer.scorer, models={})).score(records, 1)
    assert idle.verdicts.num_rows == 0
    reasons = idle.rejected["reason"].to_pylist()
    assert reasons.count("no_active_model") >= scored.verdicts.num_rows


def test_stored_verdicts_are_scored_again_to_the_same_bits(scorer: RecordScorer, scored: ScoredBatch) -> None:
    """Features, categories and envelope are stored as they came, so that any model can be asked again."""
    stored = plain(scored.verdicts, verdict_schema())
    decoded = decode_table(scorer.decoder.vocabulary, *wire_columns(stored, scorer.decoder.vocabulary))
    origin = Origin(
        topic=scorer.topic,
        partition=stored["partition"].combine_chunks(),
        offset=stored["offset"].combine_chunks(),
        recorded_at=stored["recorded_at"].combine_chunks(),
        batch_id=17,
    )
    again = scorer.scorer.score(decoded, origin, lambda _: {})
    assert again.rejected.num_rows == 0
    assert plain(again.verdicts, verdict_schema()).equals(stored)
    assert encode_verdicts(again.verdicts) == encode_verdicts(scored.verdicts)


def _ids(records: pa.RecordBatch) -> list[int]:
    partitions, offsets = records.column("partition").to_pylist(), records.column("offset").to_pylist()
    return [o * 1024 + p for p, o in zip(partitions, offsets, strict=True)]


def test_a_row_is_as_novel_as_the_models_that_scored_it_say(scorer: RecordScorer, records: pa.RecordBatch) -> None:
    ranged = {id_: ServedModel(with_ranges(m.bundle, _narrow(m.bundle))) for id_, m in scorer.scorer.models.items()}
    knowing = replace(scorer, scorer=replace(scorer.scorer, models=ranged))
    rows = knowing.score(records, 17).verdicts.to_pylist()
    for row in rows:
        for kind in ("threat", "attack"):
            answered = row[f"{kind}_model_hash"] is not None
            assert (row[f"{kind}_novelty"] is not None, row[f"{kind}_is_novel"] is not None) == (answered, answered)
            assert not answered or row[f"{kind}_is_novel"] == (row[f"{kind}_novelty"] > 0.5)
    assert 0 < sum(row["attack_is_novel"] is True for row in rows) < len(rows)
    assert knowing.score(records, 17).verdicts.equals(knowing.score(records, 17).verdicts)


def test_a_bundle_without_ranges_gives_null_and_no_made_up_number(
    scorer: RecordScorer, records: pa.RecordBatch
) -> None:
    bare = {
        id_: ServedModel(ServedBundle(replace(m.bundle.manifest, training_ranges=None), m.bundle.onnx))
        for id_, m in scorer.scorer.models.items()
    }
    verdicts = replace(scorer, scorer=replace(scorer.scorer, models=bare)).score(records, 17).verdicts
    for name in ("threat_novelty", "threat_is_novel", "attack_novelty", "attack_is_novel"):
        assert verdicts[name].null_count == verdicts.num_rows
    assert plain(verdicts, verdict_schema()).schema == verdict_schema()


def _narrow(bundle: ServedBundle) -> dict[str, Any]:
    """Ranges that most rows are outside of in some features."""
    return {"ranges": {name: [0, 50] for name in bundle.contract.names}, "limit": 0.5}
