"""Sink writers: each takes the scored batches of one task and gives a receipt. Used inside Spark's Python workers."""
