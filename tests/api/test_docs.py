"""The OpenAPI document describes what there is, and its page asks nothing of any other host."""

import re

from apiflask import APIFlask
from flask.testing import FlaskClient

DOCUMENT = "/api/v1/openapi.json"


def test_the_document_names_every_route_with_the_role_it_takes(app: APIFlask, client: FlaskClient) -> None:
    document = client.get(DOCUMENT).get_json()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    operations = {
        (path, method): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert operations["/api/v1/tokens", "post"]["x-role"] == "admin"
    assert operations["/api/v1/traffic", "post"]["x-role"] == "analyst"
    assert operations["/api/v1/tokens/{token_id}", "delete"]["security"] == [{"token": []}]
    assert operations["/health", "get"]["security"] == []
    assert all(o["security"] == [] or o["x-role"] for o in operations.values())
    assert len({o["operationId"] for o in operations.values()}) == len(operations)
    assert all("default" in o["responses"] for o in operations.values())


def test_traffics_body_is_described(client: FlaskClient) -> None:
    body = client.get(DOCUMENT).get_json()["paths"]["/api/v1/traffic"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "application/x-ndjson"}


def test_references_of_the_document_resolve(client: FlaskClient) -> None:
    text = client.get(DOCUMENT).text
    schemas = client.get(DOCUMENT).get_json()["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= set(schemas)


def test_the_page_is_made_of_local_files_without_inline_code(client: FlaskClient) -> None:
    page = client.get("/docs").text
    assert not re.search(r"<script(?![^>]*src=)|<style|style=|\son\w+=|https?:|//", page)
    for name in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert client.get(name).status_code == 200, name
    assert client.get("/docs/init.js").content_type.startswith("text/javascript")


def test_the_page_serves_no_other_file(client: FlaskClient) -> None:
    for name in ("__init__.py", "index.html", "..%2fapp.py", "swagger-ui.js", "%2e%2e/app.py"):
        assert client.get(f"/docs/{name}").status_code == 404
