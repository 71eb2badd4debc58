"""Decorators by which a handler says what it asks of a request; `guard.py` sees to it before the handler runs.

They only mark the function, so their order among other decorators does not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from netheal.store.tokens import Role

DEFAULT_BODY_BYTES = 2**20
_MARK = "_netheal_requirements"
READING = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""


@dataclass(frozen=True)
class Requirements:
    """What a handler asks: `role` None is that of the method, see `role_for`.

    `anonymous`: whoever is let in without a token by the setting api_anonymous_role will do, if their role does.
    """

    role: Role | None = None
    anonymous: bool = True
    public: bool = False
    body_bytes: int = DEFAULT_BODY_BYTES
    upload: bool = False
    rate_limited: bool = True

    def role_for(self, method: str) -> Role | None:
        """The role a caller needs, None for anybody: a handler that says nothing is for viewers to read.

        To change something without saying who may is an oversight, and then only an admin may.
        """
        if self.public:
            return None
        return self.role or ("viewer" if method in READING else "admin")


def requires[Handler: Callable[..., Any]](role: Role, anonymous: bool = True) -> Callable[[Handler], Handler]:
    """The caller's token must have this role, or one above it; not `anonymous`: it takes a token whatever the role."""
    return lambda handler: _marked(handler, role=role, anonymous=anonymous)


def public[Handler: Callable[..., Any]](handler: Handler) -> Handler:
    """Anybody may call this, without a token."""
    return _marked(handler, public=True)


def body_limit[Handler: Callable[..., Any]](most_bytes: int) -> Callable[[Handler], Handler]:
    """A larger body than this is answered with 413; without the decorator the bound is 1 MiB."""
    return lambda handler: _marked(handler, body_bytes=most_bytes)


def upload_rate[Handler: Callable[..., Any]](handler: Handler) -> Handler:
    """Calls count towards `api_uploads_per_minute`, too."""
    return _marked(handler, upload=True)


def rate_limit_exempt[Handler: Callable[..., Any]](handler: Handler) -> Handler:
    """Calls count towards nothing: whoever watches over netheal is answered however much others ask.

    Who calls what is public, too, is not even looked up, unless the handler asks the guard.
    """
    return _marked(handler, rate_limited=False)


def requirements_of(handler: Callable[..., Any] | None) -> Requirements:
    """What a handler asks; the default for one that says nothing, or for no handler at all."""
    found = getattr(handler, _MARK, None)
    return found if isinstance(found, Requirements) else Requirements()


def _marked[Handler: Callable[..., Any]](handler: Handler, **changes: Any) -> Handler:
    setattr(handler, _MARK, replace(requirements_of(handler), **changes))
    return handler
