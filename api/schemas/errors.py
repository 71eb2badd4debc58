"""The one shape of every error, for the OpenAPI document."""

from apiflask import Schema
from apiflask.fields import Dict, Nested, String


class ErrorFacts(Schema):
    """What went wrong, for a program (`code`) and for a person (`message`)."""

    code = String(required=True)
    message = String(required=True)
    details = Dict(required=True)


class Error(Schema):
    """An error."""

    error = Nested(ErrorFacts, required=True)
