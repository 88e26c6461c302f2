"""The page of a model run and of its rows in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

import annotary
from annotary.model.analysis import Evaluation, RowScore
from annotary.operations.analyses import EvaluateRun, MatchRow, Measure
from annotary.server.pages.row import place_of
from tests.browser.conftest import Site


@pytest.fixture(scope="module")
def evaluation(site: Site) -> Evaluation:
    """What there is to see of the demo's run."""
    return site.engine.call(EvaluateRun(model_run_id=site.run.id, measure=Measure(limit=1000)))


def _row(site: Site, id: str) -> str:
    return f"{place_of(site.run)}/rows/{id}"


@pytest.fixture(scope="module")
def score(site: Site, evaluation: Evaluation) -> RowScore:
    """A row of one label that has everything: pairs, also of two classes, missed, false positives."""
    client = annotary.Client(site.url, api_key=site.live.key)
    rows = list(client.get_model_run(site.run.id).export().stream())
    client.close()
    runs = {row["data_row"]["id"]: row["experiments"][site.run.model_id]["runs"][site.run.id] for row in rows}
    return next(
        one
        for one in evaluation.worst
        if one.missed
        and one.spurious
        and any(pair.name != pair.predicted for pair in one.pairs)
        and len(runs[one.data_row_id]["labels"]) == 1
    )


def test_counts_and_classes_are_those_of_the_evaluation(
    page: Page, site: Site, evaluation: Evaluation
) -> None:
    page.goto(place_of(site.run))
    page.locator("[data-scores]").wait_for()
    right = sum(one.matched for one in evaluation.classes)
    missed = sum(line[-1] for line in evaluation.confusion)
    spurious = sum(evaluation.confusion[-1])
    for name, number in (("right", right), ("missed", missed), ("spurious", spurious)):
        expect(page.locator(f"[data-count={name}]")).to_have_text(f"{number:,}")
    for one in evaluation.classes:
        line = page.locator(f'tr[data-class="{one.name}"]')
        expect(line.locator("td").nth(0)).to_have_text(f"{one.labels:,}")
        expect(line.locator("td").nth(2)).to_have_text(f"{one.matched:,}")
        expect(line.locator("td").nth(4)).to_have_text(f"{one.recall:.3f}")


def test_the_worst_rows_come_first_page_after_page(page: Page, site: Site, evaluation: Evaluation) -> None:
    page.goto(place_of(site.run))
    page.locator("[data-scores]").wait_for()
    shown: list[str | None] = []
    while True:
        shown += [one.get_attribute("data-row") for one in page.locator(".worst [data-row]").all()]
        better = page.get_by_role("link", name="Better")
        if not better.count():
            break
        address = better.get_attribute("href") or ""
        page.goto(address)
        page.locator("[data-scores]").wait_for()
    assert shown == [one.data_row_id for one in evaluation.worst]


def test_a_threshold_that_is_moved_is_measured(page: Page, site: Site) -> None:
    page.goto(place_of(site.run))
    page.locator("[data-scores]").wait_for()
    page.get_by_label("IoU at least").fill("0.8")
    page.wait_for_url("**iou=0.8**")
    strict = site.engine.call(EvaluateRun(model_run_id=site.run.id, measure=Measure(iou=0.8)))
    right = sum(one.matched for one in strict.classes)
    expect(page.locator("[data-count=right]")).to_have_text(f"{right:,}")
    page.locator(".worst a").first.click()
    expect(page.locator("[data-view=iou-said]")).to_have_text("0.80")


def test_pairs_come_worst_first_after_what_has_none(page: Page, site: Site, score: RowScore) -> None:
    page.goto(_row(site, score.data_row_id))
    page.wait_for_load_state("networkidle")
    pairs = page.locator("[data-pair]")
    expect(pairs).to_have_count(len(score.pairs))
    shown = [float(one.get_attribute("data-pair") or "nan") for one in pairs.all()]
    assert shown == pytest.approx(sorted(one.iou for one in score.pairs), abs=1e-4)
    for ids, word in ((score.missed, "missed"), (score.spurious, "false positive")):
        for id in ids:
            entry = page.locator(f'[data-section=unmatched] [data-object="{id}"]')
            expect(entry).to_contain_text(word)
            shape = page.locator(f'.shapes [data-feature="{id}"]')
            expect(shape).to_have_css("stroke", "rgb(229, 32, 43)")
    sections = [one.get_attribute("data-section") for one in page.locator("[data-section]").all()]
    assert sections[:2] == ["unmatched", "pairs"]
    differ = next(pair for pair in score.pairs if pair.name != pair.predicted)
    expect(pairs.filter(has_text="\u2260").filter(has_text=differ.predicted).first).to_be_visible()


def test_predictions_are_dashed_and_say_how_sure_they_are(page: Page, site: Site, score: RowScore) -> None:
    page.goto(_row(site, score.data_row_id))
    page.wait_for_load_state("networkidle")
    edges = page.locator(".shapes .prediction .edge")
    assert edges.count() > 3
    assert {one.evaluate("one => getComputedStyle(one).strokeDasharray") for one in edges.all()} == {
        "6px, 4px"
    }
    drawn = page.locator(".shapes .label .edge").first
    expect(drawn).to_have_css("stroke-dasharray", "none")
    page.get_by_text("Predictions", exact=True).click()
    expect(page.locator(".shapes .label")).to_have_count(0)
    expect(page).to_have_url(re.compile("show=predictions"))
    expect(page.locator(".tag.prediction .more").first).to_have_text(re.compile(r"\d+%"))
    # Prediction tags lie under the box, label tags above.
    tag = page.locator(".tag.prediction").filter(has_text="car").first
    id = tag.get_attribute("data-of")
    below, box = tag.bounding_box(), page.locator(f'.shapes [data-feature="{id}"]').bounding_box()
    assert below is not None and box is not None
    assert below["y"] >= box["y"] + box["height"] - 4
    page.get_by_text("Labels", exact=True).click()
    expect(page.locator(".shapes .prediction")).to_have_count(0)
    page.keyboard.press("k")
    page.wait_for_url("**show=labels**")
    expect(page.get_by_label("Labels", exact=True)).to_be_checked()


def test_a_row_of_a_project_leads_to_its_predictions(page: Page, site: Site, score: RowScore) -> None:
    page.goto(f"/p/{site.project.id}/rows/{score.data_row_id}")
    page.locator(".side").get_by_role("link", name=site.run.name).click()
    page.wait_for_url(f"**{_row(site, score.data_row_id)}")
    expect(page.get_by_label("Both", exact=True)).to_be_checked()


def test_a_pair_is_lit_and_gone_to_together(page: Page, site: Site, score: RowScore) -> None:
    page.goto(_row(site, score.data_row_id))
    page.wait_for_load_state("networkidle")
    worst = min(score.pairs, key=lambda one: one.iou)
    page.locator("[data-pair]").first.hover()
    for id in (worst.label, worst.prediction):
        expect(page.locator(f'.shapes [data-feature="{id}"]')).to_have_class(re.compile(r"\blit\b"))
    page.locator("[data-pair] .entry").first.click()
    assert worst.label in page.url and worst.prediction in page.url


def test_the_threshold_of_a_row_matches_again(page: Page, site: Site, score: RowScore) -> None:
    page.goto(_row(site, score.data_row_id))
    page.wait_for_load_state("networkidle")
    page.get_by_label("IoU at least").fill("0.9")
    strict = site.engine.call(MatchRow(model_run_id=site.run.id, data_row_id=score.data_row_id, iou=0.9))
    assert len(strict.pairs) < len(score.pairs)
    expect(page.locator("[data-pair]")).to_have_count(len(strict.pairs))
    page.reload()
    expect(page.locator("[data-pair]")).to_have_count(len(strict.pairs))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_a_tablet(page: Page, site: Site, theme: str) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 820, "height": 1180})
    page.goto(place_of(site.run))
    page.locator("[data-scores]").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
