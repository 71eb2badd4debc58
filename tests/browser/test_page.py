"""The page itself: for everybody to use, by itself on the network, small and smooth for as long as it is open."""

import itertools
import json
import re
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from netheal.drift.window import WindowRules
from netheal.registry.artefacts import Artefacts
from netheal.registry.models import active_models
from netheal.store.database import connect, transaction
from netheal.store.drift import BatchDrift, add_to_windows
from netheal.store.outages import begin_outage, end_outage, record_outage
from netheal.traffic.generator import TrafficGenerator
from netheal.traffic.pace import paced
from tests.browser.conftest import Site, Watched, empty_site, line
from tests.browser.plain_chromium import plain_page
from tests.drift_traffic import traffic
from tests.stack.harness import eventually

pytestmark = pytest.mark.browser
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
SIZES = {360: 740, 1440: 1000}
ROWS_PER_S = 500
PICTURE_ROWS = 20 * ROWS_PER_S
MOST_BYTES = 150 * 2**20
LEAST_FRAMES_PER_S = 15
POLL_INTERVAL_S = 10
SEEN_MS = 60_000
"""For what the page asks for every few seconds."""
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
    page.get_by_text("Upload a model file").click()
    assert serious_findings(page) == []
    page.locator("#feed-rows tr", has_text="random_forest").first.click()
    page.wait_for_selector("#row-dialog table")
    expect(
        page.locator("#row-dialog dt", has_text=re.compile(r"^(Score|Confidence) \(vote share\)$")).first
    ).to_be_visible()
    expect(page.locator("#row-dialog dt:text-is('Novelty') + dd").first).to_have_text(
        re.compile(r"^\d\.\d{3}( novel)?$")
    )
    assert serious_findings(page) == []
    page.locator("#row-dialog").get_by_text("Why?").click()
    page.wait_for_selector("#row-dialog .why table")
    assert serious_findings(page) == []
    assert page.evaluate("document.querySelector('#row-dialog').scrollWidth") <= width


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


def test_rejected_rows_are_one_stop_of_the_keyboard(site: Site, page: Page) -> None:
    site.send(*[b"[no flow]"] * 10)
    page.wait_for_function("document.querySelectorAll('#rejected-rows tbody tr').length > 10")
    page.locator("#rejected-reason").focus()
    stops = 0
    while page.evaluate("document.activeElement.closest('#rejected') !== null"):
        stops += 1
        assert stops < 5, "the choice of a reason, the region that scrolls, one row"
        page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    place = "[...document.querySelectorAll('#rejected-rows tbody button')].indexOf(document.activeElement)"
    assert page.evaluate(place) == 0
    for key, row in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("Home", 0), ("End", "last"), ("Home", 0)):
        page.keyboard.press(key)
        last = page.evaluate("document.querySelectorAll('#rejected-rows tbody tr').length - 1")
        assert page.evaluate(place) == (last if row == "last" else row)
    page.keyboard.press("Enter")
    expect(page.locator("#row-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    assert page.evaluate(place) == 0


@pytest.mark.parametrize("width", [360, 820, 1160, 1440])
def test_what_somebody_points_at_stays_there(site: Site, open_page: Callable[..., Watched], width: int) -> None:
    page = open_page(viewport={"width": width, "height": 900}).page
    page.wait_for_selector("#socket-state[data-state=good]")
    page.wait_for_selector("#batches td")
    tops = """['#feed-frame', '#feed-rows tr:nth-child(3)', '#rejected-rows'].map(
        (name) => document.querySelector(name).getBoundingClientRect().top + scrollY)"""
    page.locator("#feed-rows tr").nth(2).hover()
    before = page.evaluate(tops)
    site.send(site.row("BENIGN", "10.78.0.1"))
    expect(page.locator("#feed-note")).to_contain_text("1 new row held while you look")
    assert page.evaluate(tops) == pytest.approx(before, abs=0.5)


def watch_shifts(page: Page) -> None:
    page.add_init_script("""
        window.shifts = [];
        new PerformanceObserver((list) => window.shifts.push(...list.getEntries().filter((e) => !e.hadRecentInput)
            .map((e) => [e.value, e.sources.map(({ node }) => node?.id || node?.nodeName)])))
            .observe({ type: "layout-shift", buffered: true });
    """)


@pytest.mark.parametrize("well", [True, False])
@pytest.mark.parametrize("width", list(SIZES))
def test_nothing_moves_while_it_loads_and_rows_come(
    site: Site, open_page: Callable[..., Watched], width: int, well: bool
) -> None:
    def prepare(page: Page) -> None:
        watch_shifts(page)
        if not well:
            told = {"live": True, "ready": False, "status": "degraded", "reasons": ["a", "no such thing: do that"]}
            page.route("**/api/v1/health", lambda route: route.fulfill(json=told))

    page = open_page(viewport={"width": width, "height": SIZES[width]}, prepare=prepare).page
    for place in ("#batches td", "#healing-actions td", "#rejected-rows", ".model-list li", "#chart-rate canvas"):
        page.wait_for_selector(place)
    page.wait_for_selector("#socket-state[data-state=good]")
    for at in range(10):
        site.send(*[site.row("DDoS", f"10.78.1.{at}")] * 5)
        line(page, f"10.78.1.{at}").first.wait_for()
    shifts = page.evaluate("window.shifts")
    assert sum(shift for shift, _ in shifts) < 0.1, shifts


@pytest.mark.parametrize("width", [901, 1440])
def test_charts_fill_their_card(open_page: Callable[..., Watched], width: int) -> None:
    """However many classes there are beside them; and those can all be reached."""
    names = [{"name": f"class {at}", "attacks": 30 - at, "share": 5} for at in range(20)]

    def prepare(page: Page) -> None:
        page.route("**/predictions/summary*", lambda route: with_classes(route, names))

    page = open_page(viewport={"width": width, "height": 1000}, prepare=prepare).page
    expect(page.locator("#class-bars li")).to_have_count(20)
    blank = """(() => {
        const card = document.getElementById("traffic").getBoundingClientRect();
        return card.bottom - document.getElementById("traffic").lastElementChild.getBoundingClientRect().bottom;
    })()"""
    assert 0 < page.evaluate(blank) < 30
    page.locator("#class-bars li").last.scroll_into_view_if_needed()
    expect(page.locator("#class-bars li").last).to_be_in_viewport()


def with_classes(route: Route, classes: list[dict[str, Any]]) -> None:
    document = route.fetch().json()
    for counts in (document["total"], document["window"]):
        counts["attacks_by_class"] = classes
    route.fulfill(json=document)


def test_the_page_of_the_api_is_dark_in_the_dark(site: Site, chromium: Browser) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        page = chromium.new_context(color_scheme=scheme).new_page()
        page.goto(f"{site.url}/docs")
        page.wait_for_selector(".opblock")
        found = page.evaluate(
            "getComputedStyle(document.querySelector('.swagger-ui')).backgroundColor + ' ' +"
            " getComputedStyle(document.documentElement).backgroundColor"
        )
        grounds[scheme] = [int(part) for part in re.findall(r"\d+", found)]
        page.context.close()
    assert max(grounds["dark"]) < 60, grounds
    assert grounds["light"] != grounds["dark"]


def test_outages_are_listed_with_what_was_lost(site: Site, page: Page) -> None:
    lost = {"topic": "network-traffic", "offsets": [{"partition": 1, "start": 5, "end": 900}]}
    began = datetime(2026, 11, 22, 10, tzinfo=UTC)
    with closing(connect(site.settings.postgres.dsn.get_secret_value())) as database:
        record_outage(database, "offsets", "retention removed rows", began, began + timedelta(seconds=1842), lost)
        begin_outage(database, "disk", "the disk is full: free some of it", began)
        try:
            rows = page.locator("#outages tbody tr")
            for text in ("disk", "the disk is full", "goes on"):
                expect(rows.first).to_contain_text(text, timeout=SEEN_MS)
            for text in ("retention removed rows", "partition 1, offsets 5 to 899", "30 min 42 s"):
                expect(rows.nth(1)).to_contain_text(text, timeout=SEEN_MS)
            expect(page.locator("#problems")).to_contain_text("The disk is full: free some of it", timeout=SEEN_MS)
            assert serious_findings(page) == []
        finally:
            end_outage(database, "disk", datetime.now(UTC))
    expect(rows.first).not_to_contain_text("goes on", timeout=SEEN_MS)
    expect(page.locator("#problems")).to_be_hidden(timeout=SEEN_MS)


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_drift_of_each_model_is_shown_beside_its_training(
    site: Site, open_page: Callable[..., Watched], width: int, scheme: str
) -> None:
    with closing(connect(site.settings.postgres.dsn.get_secret_value())) as database, transaction(database) as cursor:
        artefacts = Artefacts(site.settings.paths.artefacts_dir)
        bundles = {model.bundle_hash: artefacts.load(model.bundle_hash) for model in active_models(cursor)}
        (bundle,) = (one for one in bundles.values() if one.manifest.classes)
        drift = BatchDrift({bundle.hash: traffic(bundle, 5_000, moved=40)}, bundles, WindowRules(1_000, least_s=0.0))
        assert len(add_to_windows(cursor, drift)) == 1
    page = open_page(viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme).page
    card = page.locator(".drift-model", has_text="attack classifier")
    expect(card.locator(".badge")).to_have_text("far from training")
    expect(card.locator("table").first.locator("tbody tr")).to_have_count(5)
    expect(card.locator(".chart canvas")).to_have_count(1)
    card.get_by_text("Histograms beside training").click()
    expect(card).to_contain_text("Training")
    told = {one["model_type"]: one for one in site.ask("/drift")["models"]}
    first = told["attack_classifier"]["features"][0]
    expect(card.locator("table").first.locator("tbody tr").first).to_have_text(
        f"{first['name'].strip()}{first['psi']:.2f}"
    )
    expect(page.locator(".drift-model", has_text="threat detector").locator(".badge")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_findings(page) == []


def test_a_link_of_a_notification_chooses_the_class_and_opens_the_row(site: Site, page: Page) -> None:
    row = site.ask("/predictions", **{"class": "DDoS", "limit": 1})["predictions"][0]["traffic_data_id"]
    page.goto(f"{site.url}/?class=DDoS&row={row}")
    page.wait_for_selector("#row-dialog table")
    expect(page.locator("#row-dialog")).to_contain_text(str(row))
    expect(page.locator("#feed-class")).to_have_value("DDoS")
    expect(page.locator("#feed-rows tr").first).to_contain_text("DDoS")
    page.goto(f"{site.url}/?class=%3Cimg%3E&row=-1")
    expect(page.locator("#feed-class")).to_have_value("")


def test_the_numbers_are_those_of_the_api(site: Site, page: Page) -> None:
    """Nothing comes in any more: page, totals and window say the same."""
    expect(page.locator("#tile-lag .value")).to_have_text("0", timeout=30_000)
    with page.expect_response("**/predictions/summary*") as answer:
        pass
    found = answer.value.json()
    expect(page.locator("#tile-scored .value")).to_have_text(f"{found['total']['predictions']:,}")
    expect(page.locator("#tile-attacks")).to_contain_text(f"{found['total']['normal']:,} normal")
    expect(page.locator("#tile-rate")).to_contain_text(f"{found['window']['attacks']:,} attacks in 15 minutes")
    bars = page.locator("#class-bars li")
    expect(bars).to_have_count(len(found["window"]["attacks_by_class"]))
    assert sum(int(bar.get_attribute("data-count") or 0) for bar in bars.all()) == found["window"]["attacks"]
    stored = {str(row["traffic_data_id"]): row for row in site.ask("/predictions", limit=200)["predictions"]}
    for shown in page.locator("#feed-rows tr").all()[:40]:
        row = stored[shown.get_attribute("data-id") or ""]
        threat, attack = row["threat_prediction"], row["attack_prediction"]
        assert shown.locator("td").nth(1).inner_text() == ("Attack" if row["is_attack"] else "Normal")
        score, confidence = (shown.locator(f".{name}").inner_text() for name in ("score", "confidence"))
        assert score == (f"{threat['prediction_score']:.3f}" if threat else "–")
        assert confidence == (f"{attack['confidence']:.3f}" if attack else "–")


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
    told["status"] = "starting"
    expect(page.locator("#health-state")).to_have_text("Starting")
    expect(page.locator("#problems strong")).to_have_text("Starting")
    page.unroute("**/api/v1/health")
    assert ready["ready"]
    expect(page.locator("#problems")).to_be_hidden()


def test_figures_that_the_api_refuses_are_said_to_be_old(open_page: Callable[..., Watched]) -> None:
    watched = open_page()
    page = watched.page
    refusal = {"error": {"code": "too_many_requests", "message": "too many requests", "details": {}}}
    page.route("**/predictions/summary*", lambda route: route.fulfill(status=429, json=refusal))
    expect(page.locator("#problems")).to_contain_text("which are old: too many requests")
    page.unroute("**/predictions/summary*")
    expect(page.locator("#problems")).to_be_hidden()
    watched.faults[:] = [fault for fault in watched.faults if "status of 429" not in fault]


def test_nothing_is_made_up_while_it_is_empty(site: Site, open_page: Callable[..., Watched]) -> None:
    """A second API on a database of its own, where nothing ever came in; it asks for tokens, too."""
    with empty_site(site) as (url, token):
        watched = open_page(url, ready="#token-dialog[open]")
        page = watched.page
        page.locator("#token-input").fill("nh_wrong")
        page.get_by_role("button", name="Use token").click()
        expect(page.locator("#token-text")).to_contain_text("not known")
        page.locator("#token-input").fill(token)
        page.get_by_role("button", name="Use token").click()
        page.wait_for_selector("#socket-state[data-state=good]")
        for place, told in {
            "#feed-empty": "No verdicts yet",
            "#traffic-empty": "No rows in the last 15 minutes",
            "#class-bars": "No attack in the last 15 minutes",
            "#rejected-reasons": "No row was ever rejected",
            "#batches": "No micro-batch yet",
            "#outages": "None so far",
            "#healing-actions": "No action so far",
            "#drift-models": "No model is active",
            "#models-list": "There is none: upload one below",
        }.items():
            expect(page.locator(place)).to_contain_text(told)
        expect(page.locator("#problems")).to_contain_text(re.compile("Waiting for the job|No job has ever reported"))
        assert serious_findings(page) == []
        page.goto("about:blank")
        assert all("status of 401" in fault for fault in watched.faults), watched.faults
        watched.faults.clear()


def test_who_needs_no_token_to_read_is_asked_for_one_to_change_something(
    site: Site, open_page: Callable[..., Watched], tmp_path: Path
) -> None:
    file = tmp_path / "flows.csv"
    file.write_text("no flow\n1\n")
    with empty_site(site, api_anonymous_role="viewer") as (url, token):
        watched = open_page(url, ready="#socket-state[data-state=good]")
        page, dialog = watched.page, watched.page.locator("#token-dialog")
        expect(page.locator("#models-list")).to_contain_text("There is none")
        expect(dialog).to_be_hidden()
        page.locator("#file-form input[type=file]").set_input_files(file)
        page.locator("#file-form [type=submit]").click()
        expect(page.locator("#token-text")).to_contain_text("this takes the role analyst")
        page.get_by_role("button", name="Go on without").click()
        expect(dialog).to_be_hidden()
        expect(page.locator("#file-note")).to_contain_text("this takes the role analyst")
        page.locator("#file-form [type=submit]").click()
        page.locator("#token-input").fill("nh_wrong")
        page.get_by_role("button", name="Use token").click()
        expect(page.locator("#token-text")).to_contain_text("not known")
        page.locator("#token-input").fill(token)
        page.get_by_role("button", name="Use token").click()
        expect(page.locator("#file-note")).to_contain_text("the header has the columns of none of")
        expect(page.locator("#forget-token")).to_be_visible()
        page.goto("about:blank")
        assert all(re.search("status of (400|401|422)", fault) for fault in watched.faults), watched.faults
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
        look_at = began + POLL_INTERVAL_S
        for size in paced(None, ROWS_PER_S, time.monotonic, time.sleep):
            site.send(*itertools.islice(rows, size))
            if time.monotonic() >= look_at:
                heaps.append(page.heap_bytes())
                renderers.append(page.renderer_bytes())
                look_at += POLL_INTERVAL_S
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
    take_pictures(site, page, screenshots)
    assert len(list(screenshots.glob("dashboard-*.png"))) == 2 * len(SIZES) + 1


def page_sleep(page: Page) -> Callable[[float], None]:
    """Playwright's events are handled while this waits."""
    return lambda seconds: page.wait_for_timeout(1000 * seconds)


def take_pictures(site: Site, page: Page, folder: Path) -> None:
    """The page as it is under load, for the README."""
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for width, scheme in itertools.product(SIZES, schemes):
        page.set_viewport_size({"width": width, "height": SIZES[width]})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"document.querySelector('#chart-rows canvas').clientWidth < {width}")
        page.screenshot(path=folder / f"dashboard-{width}-{scheme}.png")
    page.set_viewport_size({"width": 1440, "height": SIZES[1440]})
    page.emulate_media(color_scheme="light")
    page.get_by_role("button", name="Pause").click()
    site.send(*TrafficGenerator(seed=10).messages(500))
    expect(page.locator("#feed-note")).to_contain_text(re.compile(r"^[\d,]+ new rows? held until you resume"))
    page.locator("#feed-rows tr").filter(has=page.locator(".attack")).first.click()
    page.wait_for_selector("#row-dialog table")
    page.locator("#row-dialog").screenshot(path=folder / "dashboard-row.png")
