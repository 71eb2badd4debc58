"""From raw messages to verdicts: decode, check, score, decide, as one pure pass over Arrow batches."""
