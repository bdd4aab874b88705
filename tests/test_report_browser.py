"""The report's page in a real browser: nothing runs, nothing is asked for, nothing overflows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import chromium
from playwright.sync_api import Browser, Page
from test_report import SMALL, built, hostile_report, transcript

from qqlab import report as reports
from qqlab.report import Report


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


class Seen:
    """A page, and what it asked for, said and ran while it was open."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.said: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        page.on("pageerror", lambda error: self.said.append(str(error)))


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Seen]]:
    contexts = []

    def open_page(report: Report, **options: Any) -> Seen:
        reports.write_report(tmp_path, report, force=True)
        contexts.append(browser.new_context(**options))
        seen = Seen(contexts[-1].new_page())
        seen.page.goto((tmp_path / "index.html").as_uri())
        return seen

    yield open_page
    for context in contexts:
        context.close()


REPORTS = [
    pytest.param(transcript, id="transcript"),
    pytest.param(hostile_report, id="hostile"),
    pytest.param(built, id="nothing"),
]


@pytest.mark.parametrize("make", REPORTS)
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_page_is_wider_than_its_window(show: Callable[..., Seen], make: Callable[[], Report], width: int) -> None:
    page = show(make(), viewport={"width": width, "height": 800}).page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("make", REPORTS)
def test_the_page_asks_for_nothing_and_runs_nothing(show: Callable[..., Seen], make: Callable[[], Report]) -> None:
    seen = show(make())
    assert [url for url in seen.requests if not url.startswith("data:")] == [seen.page.url]
    assert seen.said == []
    assert seen.page.evaluate("document.scripts.length + document.images.length") == 0


CONTRAST = """() => {
  const light = colour => {
    const [r, g, b] = colour.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const poor = new Set();
  for (const element of document.querySelectorAll('body *')) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) poor.add(`${element.tagName} ${element.className} ${ratio.toFixed(2)}`);
  }
  return [...poor];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(show: Callable[..., Seen], scheme: str) -> None:
    page = show(built(SMALL), color_scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.evaluate(CONTRAST) == []


def test_a_deep_link_opens_what_it_leads_to(show: Callable[..., Seen]) -> None:
    page = show(transcript()).page
    page.goto(page.url + "#field-Login-request-CON")
    assert page.locator("#field-Login-request-CON").is_visible()


def test_the_page_can_be_printed(show: Callable[..., Seen]) -> None:
    page = show(transcript()).page
    page.emulate_media(media="print")
    assert page.locator("#field-Login-request-CON").is_visible()
    assert not page.locator("nav").first.is_visible()
    assert page.pdf().startswith(b"%PDF")
