"""What cannot be an upload is refused, and the answer says how to send one."""

import gzip
import io
import json

import pytest
from flask.testing import FlaskClient

from tests.api.uploads.conftest import THREAT_CSV, URL, Document, Upload


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "empty_file"),
        (gzip.compress(b"a", mtime=0), 422, "not_csv"),
        (b"a,b\n1,2\n", 422, "no_contract"),
    ],
)
def test_what_cannot_be_scored_is_an_error_in_the_apis_shape(
    upload: Upload, content: bytes, status: int, code: str
) -> None:
    response = upload(content)
    error = response.get_json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert set(error) == {"code", "message", "details"}


@pytest.mark.parametrize("data", [{}, {"file": "a,b"}, {"other": (io.BytesIO(b"a"), "a.csv")}])
def test_a_request_without_the_file_is_told_how_to_send_it(client: FlaskClient, data: Document) -> None:
    response = client.post(URL, data=data, content_type="multipart/form-data")
    assert response.status_code == 422
    assert "curl -F file=@" in json.dumps(response.get_json())


@pytest.mark.parametrize("limit", ["-1", "100001", "many"])
def test_a_limit_outside_its_range_is_refused(upload: Upload, limit: str) -> None:
    assert upload(THREAT_CSV, f"?limit={limit}").status_code == 422


def test_two_files_at_once_are_refused(client: FlaskClient) -> None:
    files = [(io.BytesIO(b"a"), "a.csv"), (io.BytesIO(b"b"), "b.csv")]
    assert client.post(URL, data={"file": files}).status_code == 422


def test_a_body_over_the_bound_is_too_large(client: FlaskClient) -> None:
    response = client.post(URL, environ_overrides={"CONTENT_LENGTH": str(200 * 2**20)})
    assert response.status_code == 413
