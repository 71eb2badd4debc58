"""The roles of the embedded PostgreSQL: a superuser that sets it up, and the ordinary role that netheal works as.

A cluster that an earlier version made has one role, `netheal`, the superuser that initdb left. It cannot be made an
ordinary role, so at the next start it is renamed, and an ordinary `netheal` gets its password and its tables.
Every step may be cut short and is then taken again.
"""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from netheal.host.ports import LOOPBACK

SUPERUSER = "postgres"
ROLE = "netheal"
DATABASE = "netheal"
_RENAMER = "netheal_renamer"
_ORDINARY = sql.SQL("login nosuperuser nocreaterole nocreatedb noreplication nobypassrls")

Connection = psycopg2.extensions.connection
Cursor = psycopg2.extensions.cursor


@dataclass(frozen=True)
class Access:
    """Where the server listens, and the passwords of the superuser and of netheal's role."""

    port: int
    superuser_password: str = field(repr=False)
    role_password: str = field(repr=False)

    def dsn(self, database: str = DATABASE) -> str:
        """postgresql://… of netheal's role."""
        return role_dsn(self.port, self.role_password, database)

    def superuser_dsn(self, database: str = SUPERUSER) -> str:
        """postgresql://… of the superuser."""
        return _dsn(self.port, SUPERUSER, self.superuser_password, database)


def role_dsn(port: int, password: str, database: str = DATABASE) -> str:
    """postgresql://… of netheal's role, on this machine."""
    return _dsn(port, ROLE, password, database)


def ensure_roles(access: Access) -> None:
    """Make the role, its database and what is in it as they ought to be, whatever is there.

    Raises psycopg2.OperationalError where the server does not take connections yet.
    """
    try:
        psycopg2.connect(access.superuser_dsn(), connect_timeout=5).close()
    except psycopg2.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        _rename_superuser(access)
    with _autocommit(access.superuser_dsn()) as cursor:
        cursor.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(_RENAMER)))
        _ensure_role(cursor, access)
        _ensure_database(cursor)
    with _autocommit(access.superuser_dsn(DATABASE)) as cursor:
        _hand_over_tables(cursor)


def _rename_superuser(access: Access) -> None:
    """Give the superuser of an earlier version's cluster its own name and password.

    A session cannot rename its own role, so that another superuser is made for it, which `ensure_roles` removes.
    """
    password = secrets.token_urlsafe(24)
    with _autocommit(_dsn(access.port, ROLE, access.role_password, SUPERUSER)) as cursor:
        cursor.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(_RENAMER)))
        options = sql.SQL("create role {} login superuser password {}")
        cursor.execute(options.format(sql.Identifier(_RENAMER), _verifier(cursor, _RENAMER, password)))
    renamer = psycopg2.connect(_dsn(access.port, _RENAMER, password, SUPERUSER), connect_timeout=5)
    with closing(renamer), renamer, renamer.cursor() as cursor:  # one transaction
        names = sql.Identifier(ROLE), sql.Identifier(SUPERUSER)
        cursor.execute(sql.SQL("alter role {} rename to {}").format(*names))
        changed = sql.SQL("alter role {} password {}")
        cursor.execute(changed.format(names[1], _verifier(cursor, SUPERUSER, access.superuser_password)))


def _ensure_role(cursor: Cursor, access: Access) -> None:
    cursor.execute("select 1 from pg_roles where rolname = %s", (ROLE,))
    if cursor.fetchone() is not None:
        return
    statement = sql.SQL("create role {} {} password {}")
    cursor.execute(statement.format(sql.Identifier(ROLE), _ORDINARY, _verifier(cursor, ROLE, access.role_password)))


def _ensure_database(cursor: Cursor) -> None:
    cursor.execute("select pg_get_userbyid(datdba) from pg_database where datname = %s", (DATABASE,))
    owner = cursor.fetchone()
    if owner == (ROLE,):
        return
    statement = sql.SQL("create database {} owner {}" if owner is None else "alter database {} owner to {}")
    cursor.execute(statement.format(sql.Identifier(DATABASE), sql.Identifier(ROLE)))


def _hand_over_tables(cursor: Cursor) -> None:
    """Tables, with the sequences of their columns, and then sequences of their own."""
    for kinds in (["r", "p"], ["S"]):
        cursor.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = any(%s::\"char\"[])"
            " and relowner <> %s::regrole",
            (kinds, ROLE),
        )
        for (name,) in cursor.fetchall():
            owned = sql.SQL("alter table {} owner to {}").format(sql.Identifier("public", name), sql.Identifier(ROLE))
            cursor.execute(owned)


def _verifier(cursor: Cursor, role: str, password: str) -> sql.Composable:
    """What the server keeps of a password: a statement that fails stands in its log."""
    return sql.Literal(encrypt_password(password, role, cursor.connection, "scram-sha-256"))


@contextmanager
def _autocommit(dsn: str) -> Iterator[Cursor]:
    with closing(psycopg2.connect(dsn, connect_timeout=5)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def _dsn(port: int, user: str, password: str, database: str) -> str:
    return f"postgresql://{user}:{password}@{LOOPBACK}:{port}/{database}"
