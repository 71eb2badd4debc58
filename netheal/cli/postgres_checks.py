"""Whether the database can be reached, has the tables and rights that netheal needs, and the time of this machine."""

import time
from collections.abc import Callable

from netheal.errors import ServiceUnavailable, SettingsError
from netheal.settings import Settings
from netheal.store.database import Connection, connect, transaction
from netheal.store.progress import found_revision, head_revision, wrong_tables

OLDEST_MAJOR = 14
MOST_SKEW_S = 2.0
_BOUND_S = 5
_PER_MAJOR = 10_000

Clock = Callable[[], float]


def reach_postgres(settings: Settings) -> Connection:
    """A connection for the checks; raises ServiceUnavailable with what to do where there is none."""
    try:
        return connect(settings.postgres.dsn.get_secret_value(), _BOUND_S, _BOUND_S)
    except ServiceUnavailable as error:
        told = f"{error}: start it, or correct NETHEAL_POSTGRES_DSN"
        raise ServiceUnavailable(" ".join(told.split())) from error


def server_version(connection: Connection) -> str:
    """Raises SettingsError where the server is too old."""
    with transaction(connection) as cursor:
        cursor.execute("select current_setting('server_version_num')::int, current_setting('server_version')")
        number, text = cursor.fetchone() or (0, "unknown")
    if number < OLDEST_MAJOR * _PER_MAJOR:
        raise SettingsError(f"it is PostgreSQL {text}, netheal needs {OLDEST_MAJOR}: use a newer server")
    return f"PostgreSQL {text}"


def rights(connection: Connection) -> str:
    """Raises SettingsError where the role may not do what the job and the API do."""
    with transaction(connection) as cursor:
        cursor.execute(_RIGHTS)
        role, may_create, may_use_temporary = cursor.fetchone() or ("", False, False)
        cursor.execute(_TABLES)
        tables = cursor.fetchall()
    lacks = [] if may_create else ["create tables in its schema (grant create on schema)"]
    lacks += [] if may_use_temporary else ["make temporary tables (grant temporary on database)"]
    lacks += [f"read and write {name} (grant select, insert, update, delete)" for name, ours, _ in tables if not ours]
    lacks += [f"make days of {name} (make it the table's owner)" for name, _, owned in tables if not owned]
    if lacks:
        raise SettingsError(f"the role {role} may not {'; nor '.join(lacks[:3])}")
    return f"the role {role} may create, read and write"


def schema(connection: Connection) -> str:
    """Raises SettingsError where the tables are those of another version."""
    with transaction(connection) as cursor:
        found = found_revision(cursor)
    if not found:
        return "no tables yet: the job makes them as it starts"
    if wrong := wrong_tables(found):
        raise SettingsError(wrong)
    return f"revision {found}, as this version needs"


def has_tables(connection: Connection) -> bool:
    """Whether the tables are those of this version."""
    with transaction(connection) as cursor:
        return found_revision(cursor) == head_revision()


def clock(connection: Connection, now: Clock = time.time) -> str:
    """Raises SettingsError where the server's clock differs from this machine's."""
    before = now()
    with transaction(connection) as cursor:
        cursor.execute("select extract(epoch from clock_timestamp())::float8")
        (theirs,) = cursor.fetchone() or (before,)
    after = now()
    skew_s = max(0.0, theirs - after) - max(0.0, before - theirs)
    if abs(skew_s) > MOST_SKEW_S:
        where = "ahead of" if skew_s > 0 else "behind"
        raise SettingsError(
            f"PostgreSQL's clock is {abs(skew_s):.0f} s {where} this machine's: let both follow a time server"
        )
    return "PostgreSQL's agrees with this machine's"


_RIGHTS = (
    "select current_user, coalesce(has_schema_privilege(current_schema(), 'create'), false),"
    " has_database_privilege(current_database(), 'temporary')"
)
_TABLES = (
    "select c.relname, has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')"
    " and has_table_privilege(c.oid, 'update') and has_table_privilege(c.oid, 'delete'),"
    " c.relkind <> 'p' or pg_has_role(c.relowner, 'usage')"
    " from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')"
    " and not c.relispartition and exists (select from pg_class where relname = 'alembic_version') order by 1"
)
