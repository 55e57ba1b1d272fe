"""The commands `champion`, `promote`, `rollback`, `reproduce` and `lineage`."""

from enum import StrEnum
from typing import Annotated

import typer

from tidegate.cli.app import Result, app, guarded
from tidegate.pipeline import console


class Format(StrEnum):
    """How a chain is written."""

    text = "text"
    json = "json"
    mermaid = "mermaid"


@app.command()
@guarded
def champion(
    at: Annotated[str | None, typer.Option(help="Say which version was champion at this time, UTC.")] = None,
) -> Result:
    """List the champions: which, since when, why, and by whom.

    \b
    Examples:
      tidegate champion
      tidegate champion --at 2025-06-01T12:00
    """
    from tidegate.cli import tables
    from tidegate.forecasting import champions
    from tidegate.pipeline import drive
    from tidegate.tracking import registry
    from tidegate.workspace.params import typed_time

    settings = drive.checked_settings()
    if at:
        moment = typed_time(at)
        console.say(champions.champion_of(settings, moment))
        rows = champions.reigns(settings)
        return rows[(rows["from"] <= moment) & ~(rows["until"] <= moment)]
    rows = champions.reigns(settings)
    if rows.empty:
        console.say(registry.no_champion(settings.register_.name))
    else:
        console.show(tables.champion_table(rows, settings.register_.name))
    return rows


@app.command()
@guarded
def promote(
    version: Annotated[str, typer.Argument(help="Number of a registered version.")],
    because: Annotated[str, typer.Option(help="The reason; it is recorded.")],
) -> Result:
    """Make a registered version champion, by your decision. The next forecast is its.

    \b
    Example:
      tidegate promote 7 --because "the new sensor at S04 needs it"
    """
    from tidegate.pipeline import drive

    moved = drive.promote(version, because)
    console.say(moved["sentence"])
    return moved


@app.command()
@guarded
def rollback(
    because: Annotated[str | None, typer.Option(help="The reason; it is recorded.")] = None,
) -> Result:
    """Make the former champion champion again. The next forecast is its.

    \b
    Example:
      tidegate rollback --because "version 8 forecasts too cold at night"
    """
    from tidegate.pipeline import drive

    moved = drive.rollback(because)
    console.say(moved["sentence"])
    return moved


@app.command()
@guarded
def reproduce(
    reference: Annotated[str, typer.Argument(help="Number of a version, its run's id, or champion.")],
) -> Result:
    """Make a registered model again, and compare it. Its commit and data are taken into a temporary folder.

    \b
    Examples:
      tidegate reproduce champion
      tidegate reproduce 3
    """
    from tidegate.pipeline import drive

    return drive.reproduce_version(reference)


@app.command()
@guarded
def lineage(
    reference: Annotated[str, typer.Argument(help="A version, champion, run, hash, or STATION@ORIGIN.")],
    as_: Annotated[Format, typer.Option("--as", help="How to write it.")] = Format.text,
) -> Result:
    """Show where a number comes from, and what came of it.

    The chain: source, data, run, version, aliases, forecasts, verification.

    \b
    Examples:
      tidegate lineage champion
      tidegate lineage S01@2025-03-01T06:00
      tidegate lineage 3 --as mermaid
    """
    from tidegate.pipeline import drive
    from tidegate.pipeline import lineage as chains

    write = {Format.text: chains.as_text, Format.json: chains.as_json, Format.mermaid: chains.as_mermaid}[as_]
    found = chains.lineage(drive.checked_settings(), reference)
    console.say(write(found))
    return found
