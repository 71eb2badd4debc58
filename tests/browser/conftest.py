"""A whole netheal in child processes, and pages of a real Chromium that look at it."""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from confluent_kafka import Producer
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, sync_playwright
from pydantic import SecretStr

from netheal.embedded.stack import LocalStack
from netheal.host.ports import choose_port
from netheal.kafka.topics import ensure_stream_topics
from netheal.settings import Settings, load_settings
from netheal.store.database import connect, migrate
from netheal.store.tokens import create_token
from netheal.traffic.generator import TrafficGenerator
from tests.stack.harness import World, clear_away, eventually

WARM_ROWS = 4_000
VIEW = {"width": 1440, "height": 1000}


@dataclass
class Site:
    """A running netheal, and what is known of its rows."""

    stack: LocalStack
    settings: Settings
    producer: Producer
    _sent: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.api.port}"

    def ask(self, path: str, **query: object) -> Any:
        """GET of the API."""
        text = "&".join(f"{name}={value}" for name, value in query.items())
        with urllib.request.urlopen(f"{self.url}/api/v1{path}?{text}", timeout=10) as answer:
            return json.load(answer)

    def send(self, *messages: bytes) -> None:
        """To the input topic."""
        for message in messages:
            self.producer.produce(self.settings.stream.input_topic, message, partition=self._sent % 2)
            self._sent += 1
            self.producer.poll(0)
        assert self.producer.flush(30) == 0

    def row(self, kind: str, src_ip: str) -> bytes:
        """A message that is scored as this kind, from this address."""
        return json.dumps({**self._examples[kind], "src_ip": src_ip, "dst_ip": "198.51.100.9"}).encode()

    @cached_property
    def _examples(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for name in ("BENIGN", "DDoS", "PortScan", "SSH-Patator"):
            rows = self.ask("/predictions", **{"class": name, "limit": 1})["predictions"]
            if rows:
                found[name] = self.ask(f"/predictions/{rows[0]['traffic_data_id']}")["features"]
        return found

    def total(self) -> int:
        """Rows scored so far."""
        return int(self.ask("/predictions/stats")["total_predictions"])

    def end_api(self) -> None:
        """The API ends; the stack starts it again."""
        os.kill(self.stack.pids["api"], signal.SIGTERM)


def line(page: Page, address: str) -> Locator:
    """The feed's rows from this address."""
    return page.locator("#feed-rows tr", has_text=f"{address} →")


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    jars = load_settings().paths.tools_dir
    for kind in ("broker", "spark"):
        if not list((jars / kind).glob("*.jar")):
            pytest.skip(f"the jars are not in {jars / kind}: `make setup` fetches them")
    folder = Path(tempfile.mkdtemp(prefix="netheal-browser-"))
    folder.chmod(0o755)
    settings = load_settings(
        var_dir=folder, api_port=0, driver_memory="1g", api_uploads_per_minute=1000, api_requests_per_minute=100_000
    )
    with LocalStack(settings, lambda _: None) as stack:
        migrate(stack.settings.postgres.dsn.get_secret_value())
        ensure_stream_topics(stack.settings)
        stack.start_api()
        stack.start_job()
        site = Site(stack, stack.settings, Producer({"bootstrap.servers": stack.settings.kafka.bootstrap_servers}))
        _warm(site)
        yield site
    clear_away(folder, failed=False)


def _warm(site: Site) -> None:
    """The first micro-batch takes seconds: no test is about it. Every class that tests need is among these rows."""

    def answers() -> bool:
        try:
            return site.total() >= 0
        except OSError:
            return False

    eventually(answers, "the API answers")
    site.send(*TrafficGenerator(seed=3).messages(WARM_ROWS))
    eventually(lambda: site.total() > WARM_ROWS * 0.9, "the stream is warm")


@contextmanager
def empty_site(site: Site, **settings: Any) -> Iterator[tuple[str, str]]:
    """An API that nothing ever came in to, and that asks for tokens; its address, and a token."""
    postgres = site.settings.postgres.dsn.get_secret_value().rpartition("/")[0]
    name = f"empty{time.monotonic_ns()}"
    server = site.stack._postgres
    assert server is not None
    _execute(server.superuser_dsn, f"create database {name} owner netheal")
    changed = {
        "var_dir": site.settings.paths.var_dir / name,
        "postgres_dsn": SecretStr(f"{postgres}/{name}"),
        "input_topic": f"in-{name}",
        "output_topic": f"out-{name}",
        "api_port": choose_port(),
        "api_tokens_required": True,
        **settings,
    }
    world = World(site.settings.replaced(**changed))
    world.settings.paths.var_dir.mkdir()
    world.make_topics()
    migrate(world.dsn)
    with closing(connect(world.dsn)) as connection:
        _, token = create_token(connection, "watcher", "admin", "test", None)
    api = world.start((sys.executable, "-m", "api.server"))
    try:
        api.wait_event("api.started")
        yield f"http://127.0.0.1:{world.settings.api.port}", token
    finally:
        world.stop(api)


def _execute(dsn: str, statement: str) -> None:
    with closing(psycopg2.connect(dsn, connect_timeout=10)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    return path


@pytest.fixture(scope="session")
def chromium(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=["--disable-dev-shm-usage"])
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and everything about it that should not be."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def listen(self, url: str) -> None:
        """Note console errors, failed scripts, and requests to anywhere else."""

        def console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.faults.append(f"console {message.type}: {message.text} {message.location}")

        def request(request: Request) -> None:
            if not request.url.startswith((url, url.replace("http", "ws"), "data:")):
                self.faults.append(f"outside request: {request.url}")

        self.page.on("console", console)
        self.page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        self.page.on("request", request)


@pytest.fixture
def open_page(site: Site, chromium: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens the dashboard in a context of its own; at the end nothing may have been wrong with it."""
    opened: list[Watched] = []

    def open_one(
        url: str = "", ready: str = "#feed-rows tr", prepare: Callable[[Page], object] = id, **context: Any
    ) -> Watched:
        page = chromium.new_context(**{"viewport": VIEW, **context}).new_page()
        page.set_default_timeout(15_000)
        watched = Watched(page)
        watched.listen(url or site.url)
        opened.append(watched)
        prepare(page)
        page.goto(f"{url or site.url}/")
        page.wait_for_selector(ready)
        return watched

    yield open_one
    for watched in opened:
        watched.page.context.close()
    assert [fault for watched in opened for fault in watched.faults] == []


@pytest.fixture
def page(open_page: Callable[..., Watched]) -> Page:
    """The dashboard, live."""
    page = open_page().page
    page.wait_for_selector("#socket-state[data-state=good]")
    return page


@pytest.fixture(scope="session")
def screenshots(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: nowhere that lasts, unless somebody wants them."""
    folder: Path = request.config.getoption("--screenshots") or tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
