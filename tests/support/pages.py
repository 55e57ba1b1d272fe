"""Pages read again: the facts in their tables and charts, and what they would ask for."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ASKING = ("src", "href", "srcset", "action", "data", "poster")


class Page(HTMLParser):
    """A page: its visible text, the rows of its tables, the JSON inside it and the addresses that it names."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.json: dict[str, Any] = {}
        self.rows: list[list[str]] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.labels: list[str] = []
        self._open = ""
        self._id = ""
        self.feed(path.read_text())
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.addresses += [given[name] for name in ASKING if name in given]
        self.addresses += re.findall(r"url\(([^)]*)\)", given.get("style", ""))
        if given.get("role") == "img":
            self.labels.append(given["aria-label"])
        if tag in ("script", "style"):
            self._open, self._id = tag, given.get("id", "") if "json" in given.get("type", "") else ""
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._open = self._id = ""
        if tag == "table":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        if self._id:
            self.json[self._id] = json.loads(data)
        elif self._open == "style":
            self.addresses += re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", data)
        elif not self._open:
            self.words.append(data)
            if self.rows and self.rows[-1]:
                self.rows[-1][-1] = " ".join(f"{self.rows[-1][-1]} {data}".split())

    def row(self, first: str) -> list[str]:
        """Give the first row of a table that begins with this cell."""
        return next(row for row in self.rows if row and row[0] == first)

    @property
    def outside(self) -> list[str]:
        """Name the addresses that are neither in the page itself nor beside it."""
        return [address for address in self.addresses if re.match(r"\s*[\"']?(\w+:)?//", str(address))]
