"""Check the built site, and name figures and tables that are older than what they show: python docs/check.py.

Beside each figure or table that a command has made stands a comment:

    <!-- made by: COMMAND; at: COMMIT; of: PATH PATH … -->

It says which command made it, at which commit, and which code and settings it depends on. Where results are kept in a
JSON file with a commit each, the file's path stands in place of the commit. A figure is called old when a commit since
then has changed one of the paths: it may still hold, and whoever runs the command again knows.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parent.parent
SITE = ROOT / "site"
MADE = re.compile(r"<!-- made by: (?P<command>.+?); at: (?P<at>\S+?); of: (?P<paths>.+?) -->")
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
IN_STYLES = re.compile(r"""(?:url\(|@import\s+)['"]?((?:https?:)?//[^'")\s]+)""")
STARTS_ELSEWHERE = ("http:", "https:", "//")


class Loads(HTMLParser):
    """Collects what a page makes a browser load from another host."""

    def __init__(self) -> None:
        """Start with nothing."""
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        address = dict(attrs).get(LOADED.get(tag, ""), "") or ""
        if address.startswith(STARTS_ELSEWHERE):
            self.found.append(address)


def loads_from_elsewhere() -> Iterator[str]:
    """Name each page and style sheet of the site that loads something from another host."""
    for path in sorted(SITE.rglob("*.html")):
        page = Loads()
        page.feed(path.read_text(encoding="utf-8"))
        yield from (f"{path.relative_to(SITE)} loads {address}" for address in page.found)
    for path in sorted(SITE.rglob("*.css")):
        found = IN_STYLES.findall(path.read_text(encoding="utf-8"))
        yield from (f"{path.relative_to(SITE)} loads {address}" for address in found)


def old_figures(root: Path = ROOT) -> Iterator[str]:
    """Name each figure and table that is older than the code or settings it depends on."""
    for page in [root / "README.md", *sorted(root.glob("docs/**/*.md")), *sorted(root.glob("examples/*/*.md"))]:
        for made in MADE.finditer(page.read_text(encoding="utf-8")):
            what = f"{page.relative_to(root)}: {made['command']}"
            since = {commit: _changes(root, commit, made["paths"]) for commit in sorted(_commits(root, made["at"]))}
            if unknown := [commit for commit, count in since.items() if count is None]:
                yield f"{what} ran at {', '.join(unknown)}, which is not in this clone"
            elif most := max(filter(None, since.values()), default=0):
                yield f"{what} ran at {', '.join(since)}; up to {most} commits since have changed {made['paths']}"


def _commits(root: Path, at: str) -> set[str]:
    if not at.endswith(".json"):
        return {at}
    return {result["commit"] for result in json.loads((root / at).read_text(encoding="utf-8")).values()}


def _changes(root: Path, commit: str, paths: str) -> int | None:
    """Count the commits since this one that have changed one of the paths; None if the commit is not known here."""
    words = ["git", "rev-list", "--count", f"{commit}..HEAD", "--", *paths.split()]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True)
    return int(done.stdout) if done.returncode == 0 else None


if __name__ == "__main__":
    for line in old_figures():
        print(f"Older than what it shows: {line}.")
    loads = list(loads_from_elsewhere())
    if loads:
        sys.exit("\n".join(["The site must load nothing from another host:", *loads]))
    print(f"The documentation is in {(SITE / 'index.html').relative_to(ROOT)}; it loads nothing from another host.")
