"""The commands `report` and `plot`: pages to look at."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.app import Result, app, guarded
from tidegate.pipeline import console

Open = Annotated[bool, typer.Option("--open", help="Open the page in a browser.")]


@app.command()
@guarded
def report(open_it: Open = False) -> Result:
    """Write the report of the last run anew.

    \b
    Examples:
      tidegate report
      tidegate report --open
    """
    from tidegate.pipeline import drive

    return _show(drive.report(), open_it)


@app.command()
@guarded
def plot(
    station: Annotated[str, typer.Argument(help="Name of the station.")],
    since: Annotated[str | None, typer.Option("--from", help="First time to show (UTC).")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last time to show (UTC).")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; by default in reports/.")] = None,
    open_it: Open = False,
) -> Result:
    """Draw a station: what was measured, and what was forecast.

    \b
    Examples:
      tidegate plot S01
      tidegate plot S01 --from 2025-12-01 --to 2025-12-24 --out s01.html
    """
    from tidegate.pipeline import drive

    return _show(drive.plot(station, since, until, out), open_it)


def _show(page: Path, open_it: bool) -> Result:
    """Print where the page is, and open it if that is wanted."""
    console.say(str(page))
    if open_it and not webbrowser.open(page.absolute().as_uri()):
        console.say("No browser can be opened here.")
    return {"page": page}
