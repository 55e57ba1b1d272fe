"""A page in Debian's Chromium, without a screen; tests that need one are skipped where it is not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]  # fmt: skip


@contextmanager
def browser_page(width: int = 1400) -> Iterator[Any]:
    """A new page, so many pixels wide; the addresses that it asks for are in its list `asked`."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed here")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed here (Debian's package chromium)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=OPTIONS)
        page = browser.new_page(viewport={"width": width, "height": 1000})
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        try:
            yield page
        finally:
            browser.close()
