"""Take the pictures of the pages for README and docs: python docs/pictures.py [WORKSPACE] after a run and a forecast.

It needs requirements/browser.txt and a Chromium.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "images"
PAGES = {"report.png": ("reports/report.html", 1210), "forecast.png": ("forecasts/latest.html", 740)}  # and height
WIDTH, SCALE = 1240, 1.25
SETTLED = 800  # milliseconds until charts in view are drawn


def take(workspace: Path) -> None:
    """Save the first screen of each page."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (page, height) in PAGES.items():
            viewport = {"width": WIDTH, "height": height}
            tab = browser.new_context(viewport=viewport, device_scale_factor=SCALE, color_scheme="light").new_page()
            tab.goto((workspace / page).absolute().as_uri())
            tab.wait_for_timeout(SETTLED)
            tab.screenshot(path=IMAGES / name)
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
