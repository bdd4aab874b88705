"""The report's page in a real browser: what it runs, that nothing is asked for, that nothing overflows, and that all of
it can be used by hand, by keyboard, on a phone, on paper, and by those who cannot see it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import ROOT, chromium
from drawn import busy
from playwright.sync_api import Browser, Page
from test_report import HOSTILE, LAMP, SMALL, built, hostile_captures, transcript

from qqlab import report as reports
from qqlab import spec as specs
from qqlab.capture import Capture, load
from qqlab.report import Exploration, Report

Made = tuple[Report, Exploration | None]


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
    seen: list[Seen] = []

    def open_page(made: Made, link: str = "", **options: Any) -> Seen:
        reports.write_report(tmp_path, *made, force=True)
        contexts.append(browser.new_context(**options))
        seen.append(Seen(contexts[-1].new_page()))
        seen[-1].page.goto((tmp_path / "index.html").as_uri() + link)
        return seen[-1]

    yield open_page
    for one in seen:
        assert one.said == []
    for context in contexts:
        context.close()


def made(*captures: Capture) -> Made:
    report = built(*captures)
    return report, reports.explore(captures, report, LAMP)


def nothing() -> Made:
    return made()


def hostile() -> Made:
    report, exploration = made(*hostile_captures())
    return busy(report, HOSTILE), exploration


def printed() -> Made:
    return transcript(), None


def demo() -> Made:
    capture, spec = load(ROOT / "captures" / "demo.jsonl"), specs.builtin()
    report = reports.build([capture], spec)
    return report, reports.explore([capture], report, spec)


REPORTS = [printed, hostile, nothing, demo]
OPEN = "document.querySelectorAll('details').forEach(one => { one.open = true })"


@pytest.mark.parametrize("make", REPORTS)
def test_no_page_is_wider_than_its_window(show: Callable[..., Seen], make: Callable[[], Made]) -> None:
    page = show(make()).page
    page.evaluate(OPEN)
    for width in (360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width


@pytest.mark.parametrize("make", REPORTS)
def test_the_page_asks_for_nothing_and_runs_its_own_script_alone(
    show: Callable[..., Seen], make: Callable[[], Made]
) -> None:
    seen = show(make())
    assert [url for url in seen.requests if not url.startswith("data:")] == [seen.page.url]
    assert seen.page.evaluate("Array.from(document.scripts, one => one.type)") == ["", "application/json"]
    assert seen.page.evaluate("document.images.length") == 0
    assert seen.page.evaluate("document.documentElement.classList.contains('scripted')")


def test_hostile_text_stays_text_in_the_explorer(show: Callable[..., Seen]) -> None:
    page = show(hostile()).page
    page.locator("#listed a").first.click()
    page.locator("#exchange h4").first.wait_for()
    assert "<script>alert(1)</script>" in page.locator("#exchange").inner_text()
    page.locator("#find").fill("alert")
    assert page.locator("#hits li").count() > 0
    assert page.evaluate("document.querySelectorAll('main script, main img').length") == 0


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
    if (element.tagName === 'SCRIPT') continue;
    const isDrawn = element.closest('svg') !== null;
    const [one, other] = [light(parse(getComputedStyle(element)[isDrawn ? 'fill' : 'color'])), light(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) poor.add(`${element.tagName} ${element.className} ${ratio.toFixed(2)}`);
  }
  return [...poor];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(show: Callable[..., Seen], scheme: str) -> None:
    report, exploration = made(SMALL)
    page = show((busy(report), exploration), "#exchange-1", color_scheme=scheme).page
    page.evaluate(OPEN)
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize(
    "options",
    [{}, {"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 844}}],
    ids=["light", "dark", "narrow"],
)
def test_axe_finds_nothing_that_keeps_people_out(show: Callable[..., Seen], options: dict[str, Any]) -> None:
    report, exploration = made(SMALL)
    page = show((busy(report), exploration), "#exchange-2", **options).page
    page.evaluate(OPEN)
    found = Axe().run(page)
    assert [violation["id"] for violation in found.response["violations"]] == [], found.generate_report()


# ---------------------------------------------------------------------------------------------- links and search


def test_a_deep_link_opens_what_it_leads_to(show: Callable[..., Seen]) -> None:
    page = show(printed(), "#field-Login-request-CON").page
    assert page.locator("#field-Login-request-CON").is_visible()


def test_a_deep_link_leads_to_an_exchange(show: Callable[..., Seen]) -> None:
    page = show(demo(), "#exchange-8").page
    assert page.locator("#exchange h3").inner_text().split() == ["Exchange", "8", "GetInfo", "done"]
    assert page.locator("#listed a[aria-current]").get_attribute("href") == "#exchange-8"
    assert "PS=" not in page.locator("#exchange").inner_text()
    page.get_by_role("link", name="Next →").click()
    page.wait_for_url("**#exchange-9")
    page.locator("#exchange h3", has_text="Exchange 9").wait_for()


def test_an_exchange_that_is_cited_is_a_link_to_it(show: Callable[..., Seen]) -> None:
    page = show(demo()).page
    link = page.locator("#commands a[href^='#exchange-']:visible").first
    name = link.inner_text()
    link.click()
    assert page.locator("#exchange h3").inner_text().split()[:2] == ["Exchange", name]


def test_secrets_are_masked_in_the_explorer(show: Callable[..., Seen]) -> None:
    page = show(demo(), "#exchange-2").page
    assert "PS=••••&" in page.locator("#exchange .raw").first.inner_text()
    assert "deabbed1218698183973d04bfd306b44" not in page.content()


def test_a_field_tells_what_it_is_on_hover_and_on_focus(show: Callable[..., Seen]) -> None:
    page = show(demo(), "#exchange-2").page
    tip = page.locator("#tip")
    field = page.locator("#exchange .raw a.pair", has_text="HI=60")
    field.hover()
    assert tip.inner_text().startswith("HI ")
    page.mouse.move(0, 0)
    tip.wait_for(state="hidden")
    page.locator("#exchange .decoded a.pair", has_text="LI").focus()
    assert tip.inner_text().startswith("LI ")
    page.keyboard.press("Escape")
    assert tip.is_hidden()


@pytest.mark.parametrize(
    ("words", "first", "link"),
    [
        ("getmsg", "command GetMsgEx", "#command-GetMsgEx"),
        ("PS", "field PS Login request", "#field-Login-request-PS"),
        ("RES 20", "code RES 20", "#code-RES-20"),
        ("mima CLTMSG 12", None, None),
        ("10001 logout", "exchange", "#exchange-"),
    ],
)
def test_search_finds_commands_fields_codes_and_exchanges(
    show: Callable[..., Seen], words: str, first: str | None, link: str | None
) -> None:
    page = show(demo()).page
    page.keyboard.press("/")
    page.keyboard.type(words)
    hit = page.locator("#hits li").first
    if first is None or link is None:
        assert hit.inner_text() == "Nothing was found."
        return
    assert " ".join(hit.inner_text().split()).startswith(first)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{link}*")
    assert page.locator("#hits").is_hidden()


def test_a_filter_is_a_link_that_can_be_sent(show: Callable[..., Seen]) -> None:
    seen = show(demo())
    page = seen.page
    page.locator("#verdicts").get_by_role("button", name="seen, always empty").click()
    rows = page.locator("tr[data-verdict]:visible")
    assert rows.count() == 1
    assert rows.first.get_attribute("data-verdict") == "only-empty"
    assert page.url.endswith("#?verdict=only-empty")
    other = page.context.new_page()
    other.goto(page.url)
    assert other.locator("tr[data-verdict]:visible").count() == 1
    other.locator("#unsift").click()
    assert other.locator("tr[data-verdict]:visible").count() > 50
    other.locator("#sift").fill("avatar")
    assert set(other.locator("tr[data-verdict]:visible th > a").all_inner_texts()) == {"FC"}


def test_exchanges_are_filtered_by_words_command_and_outcome(show: Callable[..., Seen]) -> None:
    page = show(demo()).page
    listed = page.locator("#listed a")
    assert listed.count() == 36
    page.locator("#of-command").select_option("Login")
    assert listed.count() == 5
    page.locator("#of-outcome").select_option("refused")
    assert listed.count() == 1
    assert page.locator("#found").inner_text() == "1 of 36 exchanges"
    page.locator("#sought").fill("no such words")
    assert listed.count() == 0


# -------------------------------------------------------------------------------------------------- theme and paper


def test_the_theme_is_the_systems_until_it_is_chosen(show: Callable[..., Seen]) -> None:
    page = show(printed(), color_scheme="dark").page
    back = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(back)
    page.locator("#theme").click()
    light = page.evaluate(back)
    assert dark != light
    assert page.locator("#theme").inner_text() == "Theme: light"
    page.reload()
    assert page.evaluate(back) == light
    page.locator("#theme").click()
    assert page.evaluate(back) == dark


def test_the_page_can_be_printed(show: Callable[..., Seen]) -> None:
    page = show(printed(), color_scheme="dark").page
    page.emulate_media(media="print")
    assert page.locator("#field-Login-request-CON").is_visible()
    assert not page.locator("nav").first.is_visible()
    assert not page.locator(".bar").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")


def test_the_page_says_all_but_single_exchanges_without_its_script(show: Callable[..., Seen]) -> None:
    page = show(demo(), java_script_enabled=False).page
    assert page.locator("#command-Login h3").is_visible()
    assert not page.locator("#exchanges").is_visible()
    assert not page.locator("#find").is_visible()


def test_the_page_is_in_the_language_that_was_asked_for(show: Callable[..., Seen]) -> None:
    page = show((reports.build([SMALL], LAMP, "zh"), None)).page
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
