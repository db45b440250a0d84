"""The page in a real browser: what no parser of HTML can tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qhw.reports.page import render
from tests.qhw.reports.chromium import Chromium, find_chromium
from tests.qhw.reports.findings import evil, realistic, write_report

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="Chromium is missing: apt install chromium"),
]
LOUD = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
PHONE, DESKTOP = 400, 1200
UNFOLD = "document.querySelectorAll('details').forEach(each => { each.open = true; })"
CONTRASTS = """(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const paper = light(parse(getComputedStyle(document.body).backgroundColor));
  const told = {};
  const all = "p, li, a, th, td, dt, dd, figcaption, h1, h2, h3, text";
  for (const e of document.querySelectorAll(all)) {
    if (!e.textContent.trim() || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const ink = light(parse(e.tagName === "text" ? style.fill : style.color));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (ratio < 4.5) told[e.tagName + ": " + e.textContent.trim().slice(0, 40)] = ratio;
  }
  return told;
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_report(tmp_path_factory.mktemp("report"), (*realistic(), evil()))
    return render(folder)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_console_is_silent_and_nothing_is_fetched(
    browser: Chromium, page: Path, width: int, dark: bool
) -> None:
    browser.open(page, width, dark)
    loud = [event for event in browser.events if event.get("method") in LOUD]
    assert not loud, loud
    asked = requested(browser)
    assert asked[0] == page.resolve().as_uri()
    assert all(address.startswith("data:image/png;base64,") for address in asked[1:])


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_every_figure_has_a_size_and_an_alternative_text(
    browser: Chromium, page: Path, width: int
) -> None:
    browser.open(page, width)
    browser.evaluate(UNFOLD)
    figures = browser.evaluate(
        "Array.from(document.querySelectorAll('figure')).map(figure => "
        "Array.from(figure.querySelectorAll('svg[role=img], img'))"
        ".filter(drawing => drawing.getClientRects().length)"
        ".map(drawing => [drawing.getBoundingClientRect().width,"
        " drawing.getBoundingClientRect().height,"
        " drawing.getAttribute('aria-label') || drawing.alt]))"
    )
    assert len(figures) == sum(len(f.figures) + len(f.galleries) for f in all_findings())
    for drawings in figures:
        assert drawings, "a figure shows nothing"
        for drawn_width, drawn_height, alternative in drawings:
            assert drawn_width >= 60
            assert drawn_height >= 60
            assert alternative


@pytest.mark.parametrize("width", [320, PHONE, 700, DESKTOP])
def test_nothing_but_the_scrolled_boxes_is_wider_than_the_window(
    browser: Chromium, page: Path, width: int
) -> None:
    for unfold in ("", UNFOLD):
        browser.open(page, width)
        browser.evaluate(unfold)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_no_text_of_a_figure_lies_outside_its_drawing(browser: Chromium, page: Path) -> None:
    """Except where the names are absurd, every word is inside the drawing's own box."""
    for width in (PHONE, DESKTOP):
        browser.open(page, width)
        browser.evaluate(UNFOLD)
        outside = browser.evaluate(
            "Array.from(document.querySelectorAll('section:not(#zz_unknown) svg text'))"
            ".filter(text => text.getClientRects().length)"
            ".filter(text => (box => (inside => box.left < inside.left - 1"
            " || box.right > inside.right + 1 || box.top < inside.top - 1"
            " || box.bottom > inside.bottom + 1)"
            "(text.closest('svg').getBoundingClientRect()))(text.getBoundingClientRect()))"
            ".map(text => text.textContent)"
        )
        assert outside == []


@pytest.mark.parametrize("dark", [False, True])
def test_text_keeps_its_contrast(browser: Chromium, page: Path, dark: bool) -> None:
    browser.open(page, DESKTOP, dark)
    browser.evaluate(UNFOLD)
    assert browser.evaluate(CONTRASTS) == {}


def test_on_a_phone_the_verdict_is_in_sight_and_tables_need_no_scrolling(
    browser: Chromium, page: Path
) -> None:
    browser.open(page, PHONE)
    inside = "(r => r.left >= 0 && r.right <= innerWidth)(e.getBoundingClientRect())"
    numbers = f"Array.from(document.querySelectorAll('.told strong')).map(e => {inside})"
    assert browser.evaluate(numbers) == [True] * 6
    first = "document.querySelector('.told').getBoundingClientRect().bottom"
    assert browser.evaluate(first) < 700, "the first number is on the first screen"
    browser.evaluate(UNFOLD)
    wide = "Array.from(document.querySelectorAll('section:not(#zz_unknown) .sortable td'))"
    assert browser.evaluate(f"{wide}.every(e => {inside})")


def test_what_is_folded_stays_so_on_paper(browser: Chromium, page: Path, tmp_path: Path) -> None:
    browser.open(page, DESKTOP)
    browser.print_to(tmp_path / "page.pdf")
    folded = sheets(tmp_path / "page.pdf")
    browser.evaluate(UNFOLD)
    browser.print_to(tmp_path / "page.pdf")
    assert folded <= 12 < sheets(tmp_path / "page.pdf")


def test_a_table_is_sorted_by_keyboard_and_by_click(browser: Chromium, page: Path) -> None:
    browser.open(page, DESKTOP)
    browser.evaluate(UNFOLD)
    head = "document.querySelectorAll('#features-rmse thead th')[3]"
    browser.evaluate(f"{head}.querySelector('button').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.ask(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
            windowsVirtualKeyCode=13,
        )  # fmt: skip
    assert browser.evaluate(f"{head}.getAttribute('aria-sort')") == "ascending"
    keys = column(browser)
    assert keys[-1] == "", "what was not measured stays last"
    assert [float(key) for key in keys[:-1]] == sorted(float(key) for key in keys[:-1])
    browser.evaluate(f"{head}.querySelector('button').click()")
    assert browser.evaluate(f"{head}.getAttribute('aria-sort')") == "descending"
    assert column(browser) == [*reversed(keys[:-1]), ""]
    assert browser.evaluate("document.querySelectorAll('#features-rmse [aria-sort]').length") == 1


def test_paper_is_light_and_shows_one_drawing(
    browser: Chromium, page: Path, tmp_path: Path
) -> None:
    browser.open(page, PHONE, dark=True)
    browser.evaluate(UNFOLD)
    browser.ask("Emulation.setEmulatedMedia", media="print", features=[])
    assert (
        browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    )
    assert not browser.evaluate("document.querySelector('svg.narrow').getClientRects().length")
    # Chromium repeats a table's head on the next sheet only if it holds no box of a button.
    button = "getComputedStyle(document.querySelector('th button'))"
    assert browser.evaluate(f"{button}.display") == "contents"
    browser.print_to(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    browser.ask("Emulation.setEmulatedMedia", media="")


def all_findings() -> list[Any]:
    return [*realistic(), evil()]


def sheets(path: Path) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", path.read_bytes()))


def requested(browser: Chromium) -> list[str]:
    return [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]


def column(browser: Chromium) -> list[str]:
    keys: list[str] = browser.evaluate(
        "Array.from(document.querySelectorAll('#features-rmse tbody tr'))"
        ".map(row => row.cells[3].dataset.key)"
    )
    return keys
