"""`/policies`: by which rules something was decided."""

import re

from apiflask import APIBlueprint
from flask import Response

from api.json_response import json_response
from api.schemas.batches import Policy
from api.schemas.times import iso_utc
from api.security import requires
from api.services import services
from netheal.errors import NotFound
from netheal.store.alerts import find_policy

policies = APIBlueprint("policies", __name__, tag="policies")

_VERSION = re.compile(r"[\w.-]{1,64}", re.ASCII)


@policies.get("/policies/<version>")
@policies.output(Policy)
@policies.doc(responses=[404, 503])
@requires("viewer")
def show_policy(version: str) -> Response:
    """Show the healing policy that a batch or a file was pinned to."""
    if not _VERSION.fullmatch(version):
        raise NotFound("there is no such policy: GET /api/v1/batches says which there were")
    with services().pool.connection() as connection:
        found = find_policy(connection, version)
    first = iso_utc(found.first_used_at)
    return json_response({"version": found.version, "document": found.document, "first_used_at": first})
