"""Receipts: a stored verdict scored again with its own models and policy, compared bit by bit, and explained."""
