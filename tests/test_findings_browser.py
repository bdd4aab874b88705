"""The page of findings in a real browser: it filters without a script, nothing runs, and nothing overflows."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from conftest import chromium
from playwright.sync_api import Browser
from test_findings import COMPARISON, CONTEXT, told
from test_report_browser import CONTRAST, Seen

OPEN_ALL = "document.querySelectorAll('details').forEach(one => { one.open = true })"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "findings.html"
    path.write_text(told("html"), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def show(browser: Browser, page_file: str) -> Iterator[Callable[..., Seen]]:
    contexts = []

    def open_page(fragment: str = "", **options: Any) -> Seen:
        contexts.append(browser.new_context(**options))
        seen = Seen(contexts[-1].new_page())
        seen.page.goto(page_file + fragment)
        return seen

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1280, "dark")])
def test_the_page_fits_is_legible_and_does_nothing(show: Callable[..., Seen], width: int, scheme: str) -> None:
    seen = show(viewport={"width": width, "height": 800}, color_scheme=scheme)
    seen.page.evaluate(OPEN_ALL)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.page.evaluate(CONTRAST) == []
    assert [url for url in seen.requests if not url.startswith("data:")] == [seen.page.url]
    assert seen.said == []
    assert seen.page.evaluate("document.scripts.length + document.images.length") == 0
    assert seen.page.evaluate("document.querySelectorAll('[onclick], [onerror], iframe, object, embed').length") == 0


def test_findings_are_filtered_and_a_link_shows_its_finding_all_the_same(show: Callable[..., Seen]) -> None:
    page = show("#f-aaaaaaa8").page  # a consequence of the first
    assert page.locator("#f-aaaaaaa8").is_visible()
    page.goto(page.url.split("#")[0])

    def shown() -> list[str]:
        ids: list[str] = page.evaluate(
            "[...document.querySelectorAll('.f')].filter(one => one.checkVisibility()).map(one => one.id.slice(-1))"
        )
        return ids

    page.evaluate(OPEN_ALL)
    assert shown() == ["1", "4", "8", "2", "5", "6", "7", "3", "9"]
    page.get_by_label("warning").uncheck()
    page.get_by_label("GetMsgEx", exact=True).uncheck()
    assert shown() == ["1", "2", "6", "9"]
    page.get_by_role("button", name="Show all").press("Enter")
    page.get_by_label("hide consequences").check()
    assert shown() == ["1", "2", "5", "6", "7", "3", "9"]
    page.get_by_label("hide consequences").uncheck()
    page.get_by_label("Login's reply has another code").check()
    assert shown() == ["1", "4", "8"]
    page.goto(page.url.split("#")[0] + "#f-aaaaaaa2")
    assert shown() == ["1", "4", "8", "2"]
    page.emulate_media(media="print")
    assert page.locator(".both").first.is_visible()
    assert not page.locator(".filters").is_visible()


def test_a_page_of_very_many_findings_is_bounded() -> None:
    many = tuple(
        msgspec.structs.replace(COMPARISON.findings[1], id=f"{number:08x}", exchange=str(number))
        for number in range(1200)
    )
    page = told("html", msgspec.structs.replace(COMPARISON, findings=many, causes=()), CONTEXT)
    assert page.count("<article") == 1000
    assert "200 findings more are not listed here" in page
