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
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = [str(path.relative_to(ROOT)) for path in ROOT.glob("examples/*/README.md")]
PAGES = ["README.md", "docs/speed.md", "docs/data.md", *EXAMPLES]
END = "<!-- end of what it made -->"


def show(parts: Sequence[Table | str], command: str = "") -> None:
    """Print tables and sentences, and put them into the place of the command: by default the one of this process."""
    console = Console(width=120)
    for part in parts:
        console.print(part, highlight=False)
    texts = [part if isinstance(part, str) else as_markdown(part) for part in parts]
    put(command or " ".join(["python", *sys.argv]), "\n\n".join([machine(), *texts]))


def put(command: str, text: str) -> None:
    """Put a text into the place of a command, with the present commit; say where, if there is one."""
    marker = re.compile(
        rf"(<!-- made by: {re.escape(command)}; at: )\S+(; of: .+? -->\n)(.*?)({re.escape(END)})", flags=re.DOTALL
    )
    for name in PAGES:
        page = ROOT / name
        before = page.read_text(encoding="utf-8")
        after = marker.sub(lambda found: f"{found[1]}{commit()}{found[2]}\n{text}\n\n{found[4]}", before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"Written: {name}")


def as_markdown(table: Table) -> str:
    """Give a table in Markdown, under its title."""
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    lines = [[str(column.header) for column in table.columns], ["---"] * len(columns), *zip(*columns, strict=True)]
    rows = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([f"{table.title}:\n"] * bool(table.title) + rows)


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
