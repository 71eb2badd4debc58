"""Maintenance of the stores beside a running stream: retention, compaction, VACUUM, partitions, ledger, statistics."""
