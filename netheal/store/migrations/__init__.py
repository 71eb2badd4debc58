"""Alembic migrations of the Postgres tables."""
