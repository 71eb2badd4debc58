"""Sink writers: each takes the judged batches of one task and gives a receipt. Used inside Spark's Python workers."""
