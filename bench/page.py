"""Puts what a command has measured into the pages, where a marker keeps its place.

    <!-- made by: python bench/feeding.py --short; at: 1a2b3c4; of: bench/feeding.py models -->
    … what the command made …
    <!-- end of what it made -->

A command finds its place by its own words, so a run with other options prints and changes no page. docs/check.py reads
the same marker, and names what is older than the code that it is of.
"""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import psutil
from drawing import Drawing
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
END = "<!-- end of what it made -->"


def show(parts: Sequence[Table | Drawing | str], command: str = "") -> None:
    """Print tables and sentences, and put them into the place of the command: by default the one of this process.

    Drawings stand in pages only.
    """
    console = Console(width=120)
    for part in parts:
        if not isinstance(part, Drawing):
            console.print(part, highlight=False)
    command = command or " ".join(["python", *sys.argv])
    if any(place_of(command).search(page.read_text(encoding="utf-8")) for page in pages()):
        put(command, "\n\n".join([machine(), *map(as_markdown, parts)]))


def put(command: str, text: str) -> None:
    """Put a text into the place of a command, with the present commit; say where, if there is one."""
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = place_of(command).sub(lambda found: f"{found[1]}{commit()}{found[2]}\n{text}\n\n{found[4]}", before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"Written: {page.relative_to(ROOT)}")


def pages() -> Iterator[Path]:
    """Give the pages that measurements stand in."""
    yield from (ROOT / name for name in ("README.md", "docs/speed.md", "docs/data.md"))
    yield from ROOT.glob("examples/*/README.md")


def place_of(command: str) -> re.Pattern[str]:
    """Describe the place of a command in a page."""
    made = re.escape(command)
    return re.compile(rf"(<!-- made by: {made}; at: )\S+(; of: .+? -->\n)(.*?)({re.escape(END)})", flags=re.DOTALL)


def as_markdown(part: Table | Drawing | str) -> str:
    """Give a table in Markdown, under its title; save a drawing, and show it."""
    if isinstance(part, str):
        return part
    if isinstance(part, Drawing):
        return f"![{part.says}](images/{part.save().name})"
    columns = [[str(cell) for cell in column.cells] for column in part.columns]
    lines = [[str(column.header) for column in part.columns], ["---"] * len(columns), *zip(*columns, strict=True)]
    rows = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([f"{part.title}:\n"] * bool(part.title) + rows)


def machine(*more: str) -> str:
    """Say on what was measured, and when, and more."""
    cores, memory = len(os.sched_getaffinity(0)), psutil.virtual_memory().total / 2**30
    measured = f"{date.today()}, {processor()}, {cores} cores, {memory:.0f} GiB"
    return f"*{'; '.join([measured, f'load at the end {os.getloadavg()[0]:.1f}', *more])}.*"


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
