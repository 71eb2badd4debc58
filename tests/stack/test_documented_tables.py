"""docs/tables.md describes every column of every table in Postgres."""

import psycopg2
import pytest

from netheal.store.database import migrate
from tests.documented_columns import assert_documented, documented_tables
from tests.stack.conftest import Services

pytestmark = pytest.mark.stack

_COLUMNS = """
select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and a.attnum > 0 and not a.attisdropped and c.relname <> 'alembic_version'
"""


def test_every_column_is_described(services: Services) -> None:
    dsn = services.new_database("documented_tables")
    migrate(dsn)
    connection = psycopg2.connect(dsn, connect_timeout=10)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(_COLUMNS)
            columns = cursor.fetchall()
    finally:
        connection.close()
    actual: dict[str, dict[str, str]] = {}
    for table, column, kind in columns:
        actual.setdefault(f"Postgres `{table}`", {})[column] = kind
    documented = {heading: of for heading, of in documented_tables().items() if heading.startswith("Postgres ")}
    assert documented.keys() == actual.keys()
    for heading, of in actual.items():
        assert_documented(heading, {column: cells[0] for column, cells in documented[heading].items()}, of)
