"""The pages in a real Chromium: they ask for nothing, log no error, fit a phone, and can be read by everybody."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from workspaces import copy_workspace, run_in

pytestmark = pytest.mark.long
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
WIDTHS, SCHEMES = (400, 1400), ("light", "dark")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make test-all does it")
    if CHROMIUM is None:
        pytest.skip("There is no Chromium on this machine.")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of a workspace with forecasts, by name."""
    workspace = copy_workspace(trained, tmp_path_factory.mktemp("browser") / "workspace", "forecasts")
    run_in(workspace, "tidegate", "forecast")
    run_in(workspace, "tidegate", "forecast", "--backfill", "2024-03-20", "2024-03-22")
    run_in(workspace, "tidegate", "verify")
    run_in(workspace, "tidegate", "report")
    run_in(workspace, "tidegate", "plot", "S01", "--out", "plot.html")
    return {
        "report": workspace / "reports" / "report.html",
        "latest": workspace / "forecasts" / "latest.html",
        "plot": workspace / "plot.html",
    }


def opened(browser: Any, page: Path, width: int, scheme: str) -> tuple[Any, list[str], list[str]]:
    """Open a page and scroll through it; give it, what it asked for and what it complained of."""
    tab = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    asked: list[str] = []
    said: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto(page.as_uri())
    for place in tab.locator(".chart").all():
        place.scroll_into_view_if_needed()
        place.locator("svg").wait_for()
    return tab, asked, said


@pytest.mark.parametrize("name", ["report", "latest", "plot"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_page_asks_for_nothing_complains_of_nothing_and_fits(
    browser: Any, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    tab, asked, said = opened(browser, pages[name], width, scheme)
    assert [url for url in asked if not url.startswith("data:")] == [pages[name].as_uri()]
    assert said == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.locator(".chart svg").count() == tab.locator(".chart").count() > 0
    tab.context.close()


@pytest.mark.parametrize("name", ["report", "latest", "plot"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_page_passes_axe(browser: Any, pages: dict[str, Path], name: str, scheme: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed: make test-all does it"
    )
    tab, _, _ = opened(browser, pages[name], 400, scheme)
    found = axe.Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()
    tab.context.close()


def test_charts_are_drawn_anew_in_the_readers_scheme(browser: Any, pages: dict[str, Path]) -> None:
    tab, _, _ = opened(browser, pages["latest"], 1400, "light")
    strokes = "[...document.querySelectorAll('.chart svg path[stroke]')].map(path => path.getAttribute('stroke'))"
    assert "#1b1b1b" in tab.evaluate(strokes)
    tab.emulate_media(color_scheme="dark")
    tab.wait_for_function(f"!({strokes}).includes('#1b1b1b')")
    assert "#ececec" in tab.evaluate(strokes)
    tab.context.close()
