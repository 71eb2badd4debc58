"""What the OpenAPI document promises holds for whatever a client sends."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from apiflask import APIFlask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import response_schema_conformance
from werkzeug.serving import make_server

DOCUMENT = "/api/v1/openapi.json"
_EXAMPLES = 15


@pytest.fixture
def url(app: APIFlask) -> Iterator[str]:
    """The application behind a real socket."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    serving.join()
    server.server_close()


def test_the_document_is_openapi_3_1(client: FlaskClient) -> None:
    document = client.get(DOCUMENT).get_json()
    assert document["openapi"] == "3.1.0"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                assert operation.get("summary"), f"{method} {path} does not say what it does"
    schemas = document["components"]["schemas"]
    assert not [name for name in schemas if name.rstrip("0123456789") in schemas.keys() - {name}], "one name a schema"


def test_every_schema_of_the_document_is_json_schema(client: FlaskClient) -> None:
    for schema in client.get(DOCUMENT).get_json()["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_no_request_brings_the_api_down(url: str) -> None:
    """No 5xx, no undeclared shape of an answer; but for those whose answer is that the broker is not there."""
    schema = schemathesis.openapi.from_url(f"{url}{DOCUMENT}")
    for operation in schema.get_all_operations():
        assert isinstance(operation, Ok)
        api_operation = operation.ok()
        if api_operation.path.endswith(("/traffic", "/health/ready")):
            continue

        @settings(
            max_examples=_EXAMPLES,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        )
        @given(case=api_operation.as_strategy())
        def fuzz(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(base_url=url, checks=[not_a_server_error, response_schema_conformance])

        fuzz()
