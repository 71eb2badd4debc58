"""What a person sees while rows come in: verdicts, classes, what is rejected, and what one row was."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Site, Watched, line
from tests.stack.harness import eventually

pytestmark = pytest.mark.browser
SEEN_WITHIN_S = 2.0


def rows_from(page: Page, address: str) -> int:
    return line(page, address).count()


def test_a_row_sent_to_kafka_is_seen_within_two_seconds(site: Site, page: Page) -> None:
    """Five times, of which the middle one counts: a machine that tests share stops for a second now and then."""
    took = []
    for at in range(5):
        address = f"10.77.0.{10 + at}"
        began = time.monotonic()
        site.send(site.row("BENIGN", address))
        line(page, address).wait_for()
        took.append(time.monotonic() - began)
    print(f"row seen after {median(took):.2f} s, {max(took):.2f} s at most")
    assert median(took) < SEEN_WITHIN_S


def test_an_attack_raises_the_bar_of_its_class(site: Site, page: Page) -> None:
    bar = page.locator("#class-bars li[data-name='DDoS']")
    bar.wait_for()
    before = int(bar.get_attribute("data-count") or 0)
    site.send(*[site.row("DDoS", "10.77.0.20")] * 50)
    eventually(lambda: int(bar.get_attribute("data-count") or 0) == before + 50, "the bar of DDoS is 50 longer", 10)


def test_filters_show_attacks_and_one_class(site: Site, page: Page) -> None:
    page.get_by_label("Attacks only").check()
    site.send(site.row("BENIGN", "10.77.0.30"), site.row("DDoS", "10.77.0.31"))
    line(page, "10.77.0.31").wait_for()
    assert rows_from(page, "10.77.0.30") == 0
    assert page.locator("#feed-rows .badge:not(.attack)").count() == 0
    page.locator("#feed-class").select_option("PortScan")
    site.send(site.row("DDoS", "10.77.0.32"), site.row("PortScan", "10.77.0.33"))
    line(page, "10.77.0.33").wait_for()
    assert set(page.locator("#feed-rows td:nth-child(3)").all_inner_texts()) == {"PortScan"}


def test_a_paused_feed_holds_its_rows(site: Site, page: Page) -> None:
    page.get_by_role("button", name="Pause").click()
    site.send(site.row("BENIGN", "10.77.0.40"))
    expect(page.locator("#feed-note")).to_contain_text("1 new row held until you resume")
    assert rows_from(page, "10.77.0.40") == 0
    page.get_by_role("button", name="Resume").click()
    page.mouse.move(0, 0)
    line(page, "10.77.0.40").wait_for()


def test_a_row_opens_with_its_features_and_where_it_came_from(site: Site, page: Page) -> None:
    site.send(site.row("SSH-Patator", "10.77.0.50"))
    line(page, "10.77.0.50").click()
    dialog = page.get_by_role("dialog")
    features = dialog.get_by_role("table", name="Features by attack/v1")
    expect(features).to_contain_text("in range", timeout=20_000)
    text = dialog.inner_text()
    for told in (
        "SSH-Patator",
        "10.77.0.50",
        "random_forest_v",
        "block address",
        "Offset",
        site.settings.stream.input_topic,
    ):
        assert told in text
    assert features.locator("tbody tr").count() == 42
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_row_that_is_not_stored_yet_is_waited_for(site: Site, open_page: Callable[..., Watched]) -> None:
    watched = open_page()
    page = watched.page
    page.get_by_role("button", name="Pause").click()
    detail = re.compile(r"/predictions/\d+$")
    away = {"error": {"code": "not_found", "message": "there is no verdict of event 1", "details": {}}}
    page.route(detail, lambda route: route.fulfill(status=404, json=away))
    page.locator("#feed-rows tr").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("on its way to the store")
    page.unroute(detail)
    expect(dialog).to_contain_text("Origin")
    watched.faults[:] = [fault for fault in watched.faults if "status of 404" not in fault]


def test_a_rejected_row_is_shown_with_its_reason_and_its_bytes(site: Site, page: Page) -> None:
    site.send(b'{"what": "<img src=x onerror=alert(1)>"')
    row = page.locator("#rejected-rows tr", has_text="onerror")
    row.wait_for()
    assert "not json" in row.inner_text()
    row.get_by_role("button").click()
    expect(page.get_by_role("dialog").locator("pre")).to_have_text('{"what": "<img src=x onerror=alert(1)>"')
    assert page.locator("#rejected-rows img").count() == 0


def test_rejected_rows_stay_where_they_are_while_somebody_looks_at_them(site: Site, page: Page) -> None:
    site.send(b"[1, first]")
    first = page.locator("#rejected-rows tr", has_text="[1, first]")
    first.get_by_role("button").focus()
    site.send(b"[2, second]")
    expect(page.locator("#rejected-note")).to_have_text("1 new row held while you look.", timeout=20_000)
    second = page.locator("#rejected-rows tr", has_text="[2, second]")
    assert second.count() == 0
    page.locator("#rejected-reason").focus()
    second.wait_for()


def test_healing_names_action_target_and_state(site: Site, page: Page) -> None:
    site.send(site.row("SSH-Patator", "10.77.0.60"))
    row = page.locator("#healing-actions tr", has_text="10.77.0.60")
    row.wait_for()
    assert [text in row.inner_text() for text in ("block address", "SSH-Patator", "logged")] == [True] * 3


def test_lag_and_batches_are_shown(page: Page) -> None:
    expect(page.locator("#batches tbody tr").first).to_be_visible()
    expect(page.locator("#stream-figures")).to_contain_text("Waiting")
    expect(page.locator("#chart-batches canvas")).to_be_visible()
    expect(page.locator("#chart-rows canvas")).to_be_visible()


def test_the_feed_fills_its_gap_when_the_api_has_been_away(site: Site, open_page: Callable[..., Watched]) -> None:
    watched = open_page()
    page = watched.page
    page.wait_for_selector("#socket-state[data-state=good]")
    site.end_api()
    page.wait_for_selector("#socket-state:not([data-state=good])")
    site.send(*[site.row("BENIGN", f"10.77.0.{at}") for at in range(100, 110)])
    expect(page.locator("#problems")).to_contain_text("The API does not answer")
    refusals = iter([503, 503])
    page.route("**/predictions?limit=200", lambda route: refuse_some(route, refusals))
    page.wait_for_selector("#socket-state[data-state=good]", timeout=40_000)
    for at in range(100, 110):
        line(page, f"10.77.0.{at}").wait_for()
        assert rows_from(page, f"10.77.0.{at}") == 1
    expect(page.locator("#problems")).not_to_contain_text("does not answer")
    site.send(site.row("BENIGN", "10.77.0.111"))
    line(page, "10.77.0.111").wait_for()
    # A browser itself writes to the console that nobody answered; nothing else may be wrong.
    watched.faults[:] = [fault for fault in watched.faults if "ERR_" not in fault and "status of 503" not in fault]
    assert next(refusals, None) is None, "the store was away at first, too"


def refuse_some(route: Route, refusals: Iterator[int]) -> None:
    status = next(refusals, None)
    if status is None:
        route.continue_()
    else:
        route.fulfill(status=status, json={"error": {"code": "service_unavailable", "message": "away", "details": {}}})


def test_why_a_row_got_its_verdict(site: Site, page: Page, screenshots: Path) -> None:
    page.get_by_role("button", name="Pause").click()
    page.locator("#feed-rows tr").filter(has=page.locator(".attack")).first.click()
    dialog = page.locator("#row-dialog")
    dialog.get_by_text("Why?").click()
    expect(dialog.locator(".why .badge")).to_have_text("Bit-equal")
    expect(dialog.locator(".why")).to_contain_text("the parts add up")
    adds = dialog.locator(".why tbody tr").first.locator("td").last
    expect(adds).to_have_text(re.compile(r"^[+−]0\.\d+$"))
    dialog.locator(".why .hint").last.scroll_into_view_if_needed()
    dialog.screenshot(path=screenshots / "receipt.png")
    page.keyboard.press("Escape")


def test_what_cannot_be_verified_is_said(open_page: Callable[..., Watched]) -> None:
    watched = open_page()
    page = watched.page
    told = {"error": {"code": "conflict", "message": "model 3 was deleted with its file", "details": {}}}
    page.route("**/receipt", lambda route: route.fulfill(status=409, json=told))
    page.get_by_role("button", name="Pause").click()
    page.locator("#feed-rows tr").first.click()
    page.locator("#row-dialog").get_by_text("Why?").click()
    expect(page.locator("#row-dialog .why .note")).to_have_text("model 3 was deleted with its file")
    watched.faults[:] = [fault for fault in watched.faults if "status of 409" not in fault]
