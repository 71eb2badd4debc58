"""Alembic's entry: runs under an advisory lock, so that two processes starting at once migrate once."""

from alembic import context
from sqlalchemy import create_engine, pool, text

_LOCK = 7_301_842

engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
with engine.connect() as connection:
    connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
    connection.commit()
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
