"""Models by the page: handed in by the file picker, examined, refused with the reason, activated, rolled back."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, Watched, line
from tests.unit.bundles.intake.honest_bundles import honest, packed

pytestmark = pytest.mark.browser
ATTACK = "attack_classifier"


@pytest.fixture
def bundle(models: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A bundle, a profile of it that no model has, and its card."""
    folder, profile = models / ATTACK, tmp_path / "profile.json"
    shipped = json.loads((folder / f"{ATTACK}_profile.json").read_text("utf-8"))
    profile.write_text(json.dumps(shipped | {"preprocessing_notes": "of a test"}), "utf-8")
    return folder / f"{ATTACK}.joblib", profile, folder / "MODEL_CARD.md"


@pytest.fixture
def form_page(page: Page) -> Iterator[Page]:
    """With the form for models open."""
    page.get_by_text("Upload a model file").click()
    yield page


def hand_in(page: Page, file: Path, profile: Path | None = None, card: Path | None = None) -> None:
    form = page.locator("#model-form")
    form.get_by_label("Bundle").set_input_files(file)
    if profile is not None:
        form.get_by_label("Profile").set_input_files(profile)
    if card is not None:
        form.get_by_label("Card").set_input_files(card)
    form.get_by_label("Description").fill("a tree from a test")
    form.get_by_role("button", name="Upload and validate").click()


def confirm(page: Page, name: str, why: str = "") -> None:
    dialog = page.locator("#confirm-dialog")
    dialog.get_by_label("Why").fill(why)
    dialog.get_by_role("button", name=name, exact=True).click()


def test_a_model_is_handed_in_activated_seen_in_rows_and_rolled_back(
    site: Site, form_page: Page, bundle: tuple[Path, Path, Path]
) -> None:
    page = form_page
    before = site.ask(f"/models/profile/{ATTACK}")["model_version"]
    hand_in(page, *bundle)
    report = page.locator("#model-report .steps li")
    expect(report).to_have_count(6, timeout=60_000)
    assert [text.split("\n")[0] for text in report.all_inner_texts()] == ["passed"] * 6
    note = page.locator("#model-upload-note")
    expect(note).to_contain_text("not active yet")
    version = (note.text_content() or "").split(" ")[0]

    page.get_by_role("button", name=f"Activate {version}", exact=True).click()
    confirm(page, "Activate", "it is newer")
    expect(page.locator("#models-note")).to_contain_text(f"in place of {before}")
    site.send(site.row("BENIGN", "10.77.0.70"))
    expect(line(page, "10.77.0.70")).to_contain_text(version)

    page.get_by_role("button", name="Roll back the attack classifier").click()
    page.locator("#confirm-dialog").get_by_label("Why").press("Enter")
    expect(page.locator("#models-note")).to_contain_text(f"{before}) activated again")
    site.send(site.row("BENIGN", "10.77.0.71"))
    expect(line(page, "10.77.0.71")).to_contain_text(before)

    page.get_by_role("button", name=f"Details {version}", exact=True).click()
    dialog = page.locator("#model-dialog")
    expect(dialog).to_contain_text("it is newer")
    dialog.get_by_text("Model card").click()
    expect(dialog.locator(".text h4").first).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name=f"Delete {version}", exact=True).click()
    page.locator("#confirm-dialog").get_by_label("Also delete its file").press("Enter")
    expect(page.locator("#confirm-dialog")).to_be_visible()
    page.locator("#confirm-dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#models-note")).to_contain_text("deleted")
    expect(page.locator(".model-list li", has_text=version)).to_have_count(0)


def test_a_models_file_is_downloaded_and_known_when_it_comes_again(
    form_page: Page, models: Path, tmp_path: Path
) -> None:
    page, file = form_page, models / ATTACK / f"{ATTACK}.joblib"
    listed = page.locator(f"#models-list [data-type={ATTACK}] li.active")
    listed.get_by_role("button", name=re.compile("^Download random_forest_v1_")).click()
    expect(page.locator("#confirm-text")).to_have_text(
        "A bundle is a program: only load it if you trust whoever made it."
    )
    with page.expect_download() as waiting:
        page.locator("#confirm-dialog").get_by_role("button", name="Download", exact=True).click()
    waiting.value.save_as(tmp_path / "saved")
    assert (waiting.value.suggested_filename, (tmp_path / "saved").read_bytes()) == (file.name, file.read_bytes())
    expect(page.locator("#models-note")).to_have_text(f"{file.name} was downloaded.")
    hand_in(page, file, models / ATTACK / f"{ATTACK}_profile.json")
    expect(page.locator("#model-upload-note")).to_have_text(re.compile("^Already uploaded as random_forest_v1_"))


def test_what_a_person_should_know_of_a_model_is_said_wherever_it_is_shown(form_page: Page, tmp_path: Path) -> None:
    page, file = form_page, tmp_path / "bundle.pkl"
    file.write_bytes(packed(honest("tree", "none").layout, "pkl5")[1])
    hand_in(page, file)
    expect(page.locator("#model-report ul[aria-label=Warnings]")).to_contain_text("it has no scaler", timeout=60_000)
    version = (page.locator("#model-upload-note").text_content() or "").split(" ")[0]
    entry = page.locator(".model-list li", has_text=version)
    expect(entry.locator(".badge.warn")).to_have_text(re.compile(r"^\d warnings?$"))
    page.get_by_role("button", name=f"Activate {version}", exact=True).click()
    expect(page.locator("#confirm-text")).to_contain_text("it has no scaler")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name=f"Details {version}", exact=True).click()
    expect(page.locator("#model-dialog ul[aria-label=Warnings]")).to_contain_text("it has no scaler")


def test_a_refused_file_shows_where_and_why(
    open_page: Callable[..., Watched], tmp_path: Path, bundle: tuple[Path, Path, Path]
) -> None:
    watched = open_page()
    watched.page.get_by_text("Upload a model file").click()
    broken = tmp_path / "bundle.joblib"
    broken.write_bytes(bundle[0].read_bytes()[:3000])
    hand_in(watched.page, broken)
    report = watched.page.locator("#model-report .steps li")
    expect(report).to_have_count(5, timeout=60_000)
    states = [text.split("\n")[0] for text in report.all_inner_texts()]
    assert "refused" in states
    assert states[-1] == "not reached"
    expect(watched.page.locator("#model-upload-note")).to_have_text(re.compile("^the bundle was refused: ."))
    expect_refusal_only(watched, 422)


def test_the_card_of_a_starter_model_is_text(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Details random_forest_v1_")).first.click()
    dialog = page.locator("#model-dialog")
    dialog.get_by_text("Model card").click()
    expect(dialog.locator(".text h4").first).to_be_visible()
    assert "**" not in dialog.inner_text()
    facts = dialog.locator("dl.facts").first
    expect(facts).to_contain_text("vote share")
    expect(facts).to_contain_text("Novel above")
    assert dialog.locator(".text a, .text img, .text script").count() == 0


def test_a_csv_file_is_scored_and_its_rejected_rows_named(site: Site, page: Page, tmp_path: Path) -> None:
    features = json.loads(site.row("DDoS", ""))
    names = [name for name in features if name not in ("src_ip", "dst_ip")]
    good = ",".join(str(features[name]) for name in names)
    bad = ",".join("-7" if name == " Destination Port" else str(features[name]) for name in names)
    file = tmp_path / "flows.csv"
    file.write_text("\n".join([",".join(names), good, good, bad, good]) + "\n")
    page.locator("#file-form input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Upload and score").click()
    expect(page.locator("#file-note")).to_have_text("Successfully processed 3 rows, 1 rejected.", timeout=30_000)
    result = page.locator("#file-result")
    scored = result.get_by_role("region", name="The first 3 scored rows")
    assert scored.locator("tbody tr").count() == 3
    assert scored.locator("th").all_inner_texts() == ["Line", "Verdict", "Class", "Score", "Confidence", "Action"]
    by_class = [item.inner_text().replace("\n", " ") for item in result.locator(".bars li").all()]
    assert by_class == ["DDoS 3 · 100 %"]
    assert scored.locator("tbody tr").first.locator("td").nth(3).inner_text() == "–", "no threat detector scored it"
    rejected = result.get_by_role("region", name="Rejected rows, 1 of 1").locator("tbody td")
    assert rejected.all_inner_texts()[:3] == ["4", "out of range", "Destination Port"]
    result.get_by_role("button", name="Open the row of line 2").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("flows.csv")


def test_a_large_csv_file_is_shown_page_by_page(site: Site, page: Page, tmp_path: Path) -> None:
    features = json.loads(site.row("DDoS", ""))
    names = [name for name in features if name not in ("src_ip", "dst_ip")]
    file = tmp_path / "flows.csv"
    file.write_text("\n".join([",".join(names), *[",".join(str(features[name]) for name in names)] * 10_002]) + "\n")
    page.locator("#file-form input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Upload and score").click()
    expect(page.locator("#file-note")).to_have_text(
        "Successfully processed 10002 rows, showing 25 of 10,002.", timeout=60_000
    )
    result = page.locator("#file-result")
    result.get_by_role("button", name="Next rows").click()
    scored = result.get_by_role("region", name="Scored rows 26 to 50 of 10,002")
    expect(scored.locator("tbody tr")).to_have_count(25)
    scored.get_by_role("button").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("flows.csv")


def test_a_csv_file_that_fits_nothing_is_refused_in_words(open_page: Callable[..., Watched], tmp_path: Path) -> None:
    watched = open_page()
    file = tmp_path / "shopping.csv"
    file.write_text("apples,pears\n1,2\n")
    watched.page.locator("#file-form input[type=file]").set_input_files(file)
    watched.page.get_by_role("button", name="Upload and score").click()
    expect(watched.page.locator("#file-note.bad")).not_to_be_empty()
    expect_refusal_only(watched, 422)


def expect_refusal_only(watched: Watched, status: int) -> None:
    """A browser writes every refusal to the console by itself."""
    assert all(f"status of {status}" in fault for fault in watched.faults), watched.faults
    watched.faults.clear()
