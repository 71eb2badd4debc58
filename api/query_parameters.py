"""The query of a URL: a parameter that an endpoint does not know is refused, and so is one that is given twice.

What an endpoint knows are the fields of its query schema, or what `accepts_query` names where it has none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, request
from marshmallow.fields import List

from api.errors import Refusal

_MARK = "_netheal_query"
_SHOWN_CHARS = 50


@dataclass(frozen=True)
class Query:
    """What a handler takes: each of `names` once, but for those of `repeatable`. `anything`: it looks at none."""

    names: frozenset[str] = frozenset()
    repeatable: frozenset[str] = frozenset()
    anything: bool = False


def accepts_query[Handler: Callable[..., Any]](*names: str, repeatable: str = "") -> Callable[[Handler], Handler]:
    """For a handler that reads these parameters itself; `repeatable` is one that may be repeated."""
    query = Query(frozenset(names) | frozenset(filter(None, [repeatable])), frozenset([repeatable]))
    return lambda handler: _marked(handler, query)


def ignores_query[Handler: Callable[..., Any]](handler: Handler) -> Handler:
    """For files, which links and caches may name with anything behind the question mark."""
    return _marked(handler, Query(anything=True))


def register_query_check(app: Flask) -> None:
    """Check the query of every request; to be called after the guard was registered."""
    app.before_request(_check)


def _check() -> None:
    handler = current_app.view_functions.get(request.endpoint or "")
    if handler is None or request.method == "OPTIONS":
        return
    query = _query_of(handler)
    for name, values in {} if query.anything else request.args.lists():
        if name not in query.names:
            raise _refused(name, f"there is no such parameter: {_listed(query.names)}")
        if len(values) > 1 and name not in query.repeatable:
            raise _refused(name, "it may be given once")


def _query_of(handler: Callable[..., Any]) -> Query:
    found = getattr(handler, _MARK, None)
    if isinstance(found, Query):
        return found
    inputs = getattr(handler, "_spec", {}).get("args") or []
    fields = [item for schema, location in inputs if location == "query" for item in schema.fields.items()]
    names = {name: field.data_key or name for name, field in fields}
    repeatable = [names[name] for name, field in fields if isinstance(field, List)]
    return Query(frozenset(names.values()), frozenset(repeatable))


def _listed(names: frozenset[str]) -> str:
    return f"{', '.join(sorted(names))} may be given" if names else "none may be given here"


def _refused(name: str, message: str) -> Refusal:
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)[:_SHOWN_CHARS]
    text = f"the query parameter '{shown}' is wrong: {message}"
    return Refusal(400, "bad_request", text, {"query": {shown: [message]}})


def _marked[Handler: Callable[..., Any]](handler: Handler, query: Query) -> Handler:
    setattr(handler, _MARK, query)
    return handler
