"""The page itself: for everybody to use, by itself on the network, small and smooth for as long as it is open."""

import itertools
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from netheal.traffic.generator import TrafficGenerator
from netheal.traffic.pace import paced
from tests.browser.conftest import Site, Watched, empty_site
from tests.browser.plain_chromium import plain_page
from tests.stack.harness import eventually

pytestmark = pytest.mark.browser
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
SIZES = {360: 740, 1440: 1000}
ROWS_PER_S = 500
PICTURE_ROWS = 20 * ROWS_PER_S
MOST_BYTES = 150 * 2**20
LEAST_FRAMES_PER_S = 15
LOOK_S = 10
ROWS_IN_THE_PAGE = "document.querySelectorAll('#feed-rows tr').length"
COUNT_FRAMES = """(() => {
    window.watch = {frames: 0, longest: 0, last: performance.now()};
    const step = (now) => {
        const watch = window.watch;
        watch.frames += 1;
        watch.longest = Math.max(watch.longest, now - watch.last);
        watch.last = now;
        requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
})()"""


def serious_findings(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    serious = [finding for finding in found if finding["impact"] in ("serious", "critical")]
    return [f"{f['id']}: {[node['target'] for node in f['nodes']][:3]}" for f in serious]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", list(SIZES))
def test_everybody_can_use_it(open_page: Callable[..., Watched], width: int, scheme: str) -> None:
    page = open_page(viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme).page
    page.wait_for_selector("#chart-rate canvas")
    page.wait_for_selector("#healing-actions td")
    page.wait_for_selector("#health-state[data-state=good]")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Upload a model").click()
    assert serious_findings(page) == []
    page.locator("#feed-rows tr", has_text="decision_tree").first.click()
    page.wait_for_selector("#row-dialog table")
    assert serious_findings(page) == []


def test_it_can_be_used_by_keyboard_alone(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#feed-rows button')"):
            break
    page.keyboard.press("Enter")
    dialog = page.locator("#row-dialog")
    expect(dialog).to_be_visible()
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.evaluate("document.activeElement.matches('#feed-rows button')")
    place = "[...document.querySelectorAll('#feed-rows button')].indexOf(document.activeElement)"
    here = page.evaluate(place)
    for key, moved in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1)):
        page.keyboard.press(key)
        assert page.evaluate(place) == here + moved
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#live')") is None, "the rows are one stop, not one each"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(place) == here + 1, "and it is the row that was left"


def test_it_says_what_is_wrong_and_what_to_do(site: Site, page: Page) -> None:
    ready = site.ask("/health")
    told = {
        "live": True,
        "ready": False,
        "status": "degraded",
        "reasons": ["no attack_classifier is active: activate one"],
    }
    page.route("**/api/v1/health", lambda route: route.fulfill(json=told))
    expect(page.locator("#problems")).to_contain_text("No attack_classifier is active: activate one")
    expect(page.locator("#health-state")).to_have_text("1 to look at")
    page.unroute("**/api/v1/health")
    assert ready["ready"]
    expect(page.locator("#problems")).to_be_hidden()


def test_figures_that_the_api_refuses_are_said_to_be_old(open_page: Callable[..., Watched]) -> None:
    watched = open_page()
    page = watched.page
    refusal = {"error": {"code": "too_many_requests", "message": "too many requests", "details": {}}}
    page.route("**/predictions/timeline*", lambda route: route.fulfill(status=429, json=refusal))
    expect(page.locator("#problems")).to_contain_text("which are old: too many requests")
    page.unroute("**/predictions/timeline*")
    expect(page.locator("#problems")).to_be_hidden()
    watched.faults[:] = [fault for fault in watched.faults if "status of 429" not in fault]


def test_nothing_is_made_up_while_it_is_empty(site: Site, open_page: Callable[..., Watched]) -> None:
    """A second API on a database of its own, where nothing ever came in; it asks for tokens, too."""
    with empty_site(site) as (url, token):
        watched = open_page(url, ready="#token-dialog[open]")
        page = watched.page
        page.locator("#token-input").fill("nh_wrong")
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#token-text")).to_contain_text("not known")
        page.locator("#token-input").fill(token)
        page.get_by_role("button", name="Use it").click()
        page.wait_for_selector("#socket-state[data-state=good]")
        for place, told in {
            "#feed-empty": "No verdicts yet",
            "#traffic-empty": "No rows in the last 15 minutes",
            "#class-bars": "No attack with a class",
            "#rejected-reasons": "No row was ever rejected",
            "#batches": "No micro-batch yet",
            "#healing-actions": "No action but logging so far",
            "#models-list": "There is none: upload one below",
            "#problems": "No threat_detector is active",
        }.items():
            expect(page.locator(place)).to_contain_text(told)
        assert serious_findings(page) == []
        page.goto("about:blank")
        assert all("status of 401" in fault for fault in watched.faults), watched.faults
        watched.faults.clear()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_it_stays_small_and_smooth_under_load(
    site: Site, chromium_path: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """500 rows a second for as long as --browser-minutes says; the heap is what garbage collection leaves."""
    seconds = 60 * float(request.config.getoption("--browser-minutes"))
    rows = itertools.cycle(TrafficGenerator(seed=9).messages(5_000))
    total = site.total()
    with plain_page(chromium_path, f"{site.url}/", tmp_path / "profile", (1440, SIZES[1440])) as page:
        eventually(lambda: page.evaluate(ROWS_IN_THE_PAGE) > 0, "the page has rows", 30)
        page.evaluate(COUNT_FRAMES)
        began, heaps, renderers = time.monotonic(), [page.heap_bytes()], [page.renderer_bytes()]
        look_at = began + LOOK_S
        for size in paced(None, ROWS_PER_S, time.monotonic, time.sleep):
            site.send(*itertools.islice(rows, size))
            if time.monotonic() >= look_at:
                heaps.append(page.heap_bytes())
                renderers.append(page.renderer_bytes())
                look_at += LOOK_S
            if time.monotonic() - began > seconds:
                break
        lasted = time.monotonic() - began
        watch = page.evaluate("window.watch")
        shown = page.evaluate(ROWS_IN_THE_PAGE)
    figures: dict[str, Any] = {
        "seconds": round(lasted),
        "rows scored": site.total() - total,
        "heap MB at first, at most, at last": in_mb(heaps),
        "renderer MB at first, at most, at last": in_mb(renderers),
        "frames/s": round(watch["frames"] / lasted, 1),
        "longest frame ms": round(watch["longest"]),
        "rows in the page": shown,
    }
    print(json.dumps(figures))
    assert max(heaps) < max(renderers) < MOST_BYTES
    assert watch["frames"] / lasted > LEAST_FRAMES_PER_S
    assert shown == 200


def in_mb(sizes: list[int]) -> list[float]:
    """First, largest, last."""
    return [round(size / 1e6, 1) for size in (sizes[0], max(sizes), sizes[-1])]


def test_pictures_of_it(site: Site, page: Page, screenshots: Path) -> None:
    """As it is under load; those of the README are made by `--screenshots docs/dashboard`."""
    rows = itertools.cycle(TrafficGenerator(seed=9).messages(5_000))
    for size in paced(PICTURE_ROWS, ROWS_PER_S, time.monotonic, page_sleep(page)):
        site.send(*itertools.islice(rows, size))
    take_pictures(page, screenshots)
    assert len(list(screenshots.glob("dashboard-*.png"))) == 2 * len(SIZES) + 1


def page_sleep(page: Page) -> Callable[[float], None]:
    """Playwright's events are handled while this waits."""
    return lambda seconds: page.wait_for_timeout(1000 * seconds)


def take_pictures(page: Page, folder: Path) -> None:
    """The page as it is under load, for the README."""
    for width, scheme in itertools.product(SIZES, ("light", "dark")):
        page.set_viewport_size({"width": width, "height": SIZES[width]})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"document.querySelector('#chart-rows canvas').clientWidth < {width}")
        page.screenshot(path=folder / f"dashboard-{width}-{scheme}.png")
    page.set_viewport_size({"width": 1440, "height": SIZES[1440]})
    page.emulate_media(color_scheme="light")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#feed-note")).to_contain_text(re.compile(r"^[\d,]+ new rows? held until you resume"))
    page.locator("#feed-rows tr", has_text="tree").filter(has=page.locator(".attack")).first.click()
    page.wait_for_selector("#row-dialog table")
    page.locator("#row-dialog").screenshot(path=folder / "dashboard-row.png")
