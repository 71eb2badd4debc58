"""What the OpenAPI document says beside the handlers' own schemas: tokens, roles, errors, bodies without a schema."""

import json
import re
from typing import Any

from apiflask import APIFlask

from api.security.requirements import DEFAULT_BODY_BYTES, Requirements, public, requirements_of

_BEARER = "token"
_METHODS = ("get", "post", "put", "patch", "delete")
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "details": {}},
        }
    },
}
_FLOW = {"type": "object", "description": "The features of a contract, and optionally the envelope"}
_BODIES = {
    ("/api/v1/traffic", "post"): {
        "application/json": {"schema": {"type": "array", "items": _FLOW, "maxItems": 10_000}},
        "application/x-ndjson": {"schema": {"type": "string", "description": "A flow object a line"}},
    }
}

Document = dict[str, Any]


def register_openapi(app: APIFlask) -> None:
    """Complete the document of the app, and let everybody read it."""
    app.config["OPENAPI_VERSION"] = "3.1.0"
    app.config["AUTO_OPERATION_ID"] = True
    app.security_schemes = {
        _BEARER: {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `netheal tokens create`; on loopback it is not asked for by default",
        }
    }
    public(app.view_functions["openapi.spec"])

    def complete(spec: Document | str) -> Document | str:
        return spec if isinstance(spec, str) else _completed(app, spec)

    app.spec_processor(complete)


def _completed(app: APIFlask, spec: Document) -> Document:
    spec.setdefault("components", {}).setdefault("schemas", {}).setdefault("Error", _ERROR)
    requirements = _requirements(app)
    for path, item in spec.get("paths", {}).items():
        for method in _METHODS:
            if method in item:
                _complete(item[method], requirements.get((path, method), Requirements()), method)
                if (path, method) in _BODIES:
                    item[method]["requestBody"] = {"required": True, "content": _BODIES[path, method]}
    return _without_twins(spec)


def _without_twins(spec: Document) -> Document:
    """A schema that is met within another one first is listed twice, as `Model` and as `Model1`: here it is once."""
    schemas = spec["components"]["schemas"]
    twins = [name for name in schemas if name.endswith("1") and schemas.get(name[:-1]) == schemas[name]]
    text = json.dumps(spec)
    for name in twins:
        text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{name[:-1]}"')
    single: Document = json.loads(text)
    for name in twins:
        del single["components"]["schemas"][name]
    return single


def _complete(operation: Document, requirements: Requirements, method: str) -> None:
    role = requirements.role_for(method.upper())
    operation["security"] = [] if role is None else [{_BEARER: []}]
    if role is not None:
        operation["x-role"] = role
        operation["description"] = "\n\n".join(filter(None, [operation.get("description"), f"Role: {role}."]))
    if requirements.body_bytes != DEFAULT_BODY_BYTES:
        operation["x-body-bytes"] = requirements.body_bytes
    responses = operation.setdefault("responses", {})
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    responses.setdefault("default", {"description": "An error, in the one shape there is", "content": error})
    for status, answer in responses.items():
        if status.isdigit() and int(status) >= 400:
            answer["content"] = error


def _requirements(app: APIFlask) -> dict[tuple[str, str], Requirements]:
    """(path as OpenAPI writes it, method) -> what the handler asks."""
    found = {}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^<:]+:)?([^>]+)>", r"{\1}", rule.rule)
        for method in rule.methods or ():
            found[path, method.lower()] = requirements_of(app.view_functions.get(rule.endpoint))
    return found
