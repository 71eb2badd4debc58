"""One pass: a batch of raw Kafka records in, verdicts and rejected rows out. Pure: it writes nothing."""

from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from netheal.contracts.schema import RAW_SCHEMA, TIMESTAMP
from netheal.records.decode import MessageDecoder
from netheal.records.timestamps import reject_unusable, unusable
from netheal.verdicts.scorer import Columns, Origin, ScoredBatch, Scorer, rejected_rows


@dataclass(frozen=True)
class RecordScorer:
    """Scores records of one topic.

    `offset_base` is added to offsets in event ids: 0 until the topic was deleted and recreated.
    """

    scorer: Scorer
    decoder: MessageDecoder
    topic: str
    offset_base: int
    read_at: datetime
    """When the records were read, the same on every replay: the time of those whose own is unusable."""

    def score(self, records: pa.RecordBatch, batch_id: int) -> ScoredBatch:
        """Score records in `RAW_SCHEMA`; every one of them is in exactly one of the two results.

        Raises ModelFailure where a model fails; never raises for what a record holds.
        """
        untimed = unusable(records.column("timestamp"))
        if untimed is None:
            return self._score_timed(records, batch_id)
        scored = self._score_timed(records.filter(pa.array(~untimed)), batch_id)
        rejected = self._reject_untimed(records.filter(pa.array(untimed)), batch_id)
        return replace(scored, rejected=pa.concat_tables([scored.rejected, rejected]))

    def _score_timed(self, records: pa.RecordBatch, batch_id: int) -> ScoredBatch:
        decoded = self.decoder.decode(records.column("value"))
        return self.scorer.score(decoded, self._origin(records, batch_id), lambda place: _raw_rows(records, place))

    def _reject_untimed(self, records: pa.RecordBatch, batch_id: int) -> pa.Table:
        """Records without a usable time, as rejected rows of the time at which they were read."""
        rejections = reject_unusable(records.column("timestamp"))
        read_at = pa.repeat(pa.scalar(self.read_at, TIMESTAMP), records.num_rows)
        timed = records.set_column(RAW_SCHEMA.get_field_index("timestamp"), "timestamp", read_at)
        return rejected_rows(self._origin(timed, batch_id), rejections, lambda place: _raw_rows(records, place))

    def _origin(self, records: pa.RecordBatch, batch_id: int) -> Origin:
        return Origin(
            topic=self.topic,
            partition=records.column("partition"),
            offset=records.column("offset"),
            recorded_at=records.column("timestamp"),
            batch_id=batch_id,
            offset_base=self.offset_base,
        )


def _raw_rows(records: pa.RecordBatch, place: pa.Array) -> Columns:
    return {name: records.column(name).take(place) for name in ("key", "value")}
