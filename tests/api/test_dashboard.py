"""How the files of the dashboard are served; what they do is for `tests/browser`."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from netheal.contracts import MODEL_TYPES

STATIC = Path(__file__).resolve().parents[2] / "api" / "dashboard" / "static"
FILES = sorted(str(path.relative_to(STATIC)) for path in STATIC.rglob("*") if path.is_file())
OWN = [path for path in STATIC.rglob("*") if path.is_file() and "vendor" not in path.parts]
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}


def test_each_file_has_its_type_and_is_asked_for_anew_by_its_tag(client: FlaskClient) -> None:
    for name in FILES:
        answer = client.get(f"/dashboard/{name}")
        assert answer.status_code == 200
        assert answer.mimetype == TYPES.get(Path(name).suffix, "text/plain")
        assert answer.headers["Cache-Control"] == "no-cache"
        assert client.get(f"/dashboard/{name}", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_the_page_is_at_the_root_and_runs_nothing_inline(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.mimetype == "text/html"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", answer.text)
    names = re.findall(r'(?:src|href)="(/dashboard/[^"]+)"', answer.text)
    assert [client.get(name).status_code for name in names] == [200] * len(names)


def test_the_page_knows_the_model_types_of_the_contracts() -> None:
    options = re.search(r'<select name="model_type".*?</select>', (STATIC / "index.html").read_text("utf-8"), re.S)
    asks = re.search(r"^const ASKS = \{(.*?)^\}", (STATIC / "js" / "models.js").read_text("utf-8"), re.S | re.M)
    assert options and asks
    assert set(re.findall(r'value="(\w+)"', options[0])) == set(MODEL_TYPES)
    assert re.findall(r"^  (\w+):", asks[1], re.M) == list(MODEL_TYPES)


def test_nothing_else_is_served(client: FlaskClient) -> None:
    for path in ("/dashboard/", "/dashboard/none.js", "/dashboard/../__init__.py", "/dashboard/js"):
        assert client.get(path).status_code == 404


def test_no_file_of_ours_names_another_host_or_reads_markup() -> None:
    for path in OWN:
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), path


def test_each_module_is_small_says_what_it_is_for_and_parses() -> None:
    modules = [path for path in OWN if path.suffix == ".js"]
    for path in modules:
        lines = path.read_text("utf-8").splitlines()
        assert len(lines) < 250
        assert lines[0].startswith("// ")
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to parse them with")
    for path in modules:
        subprocess.run([node, "--check", path], check=True)
