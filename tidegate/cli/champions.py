"""The commands `champion`, `promote`, `rollback`, `reproduce` and `lineage`."""

from enum import StrEnum
from typing import Annotated

import typer

from tidegate.cli.app import app, guarded
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
) -> None:
    """List the champions: which version, since when, why, and who or what asked for it.

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
        console.say(champions.champion_of(settings, typed_time(at)))
        return
    rows = champions.reigns(settings)
    if rows.empty:
        console.say(registry.no_champion(settings.register_.name))
    else:
        console.show(tables.champion_table(rows, settings.register_.name))


@app.command()
@guarded
def promote(
    version: Annotated[str, typer.Argument(help="Number of a registered version.")],
    because: Annotated[str, typer.Option(help="The reason; it is recorded.")],
) -> None:
    """Make a registered version champion, by your decision: the next forecast is its.

    \b
    Example:
      tidegate promote 7 --because "the new sensor at S04 needs it"
    """
    from tidegate.pipeline import drive

    console.say(drive.promote(version, because))


@app.command()
@guarded
def rollback(
    because: Annotated[str | None, typer.Option(help="The reason; it is recorded.")] = None,
) -> None:
    """Make the version champion again that was it before the present one: the next forecast is its.

    \b
    Example:
      tidegate rollback --because "version 8 forecasts too cold at night"
    """
    from tidegate.pipeline import drive

    console.say(drive.rollback(because))


@app.command()
@guarded
def reproduce(
    reference: Annotated[str, typer.Argument(help="Number of a version, its run's id, or champion.")],
) -> None:
    """Make a registered model again from its commit and data, in a temporary folder, and compare it.

    \b
    Examples:
      tidegate reproduce champion
      tidegate reproduce 3
    """
    from tidegate.pipeline import drive

    drive.reproduce_version(reference)


@app.command()
@guarded
def lineage(
    reference: Annotated[str, typer.Argument(help="A version, champion, run, hash, or STATION@ORIGIN.")],
    as_: Annotated[Format, typer.Option("--as", help="How to write it.")] = Format.text,
) -> None:
    """Show where a number comes from and what came of it: source, data, run, version, aliases, forecasts, verification.

    \b
    Examples:
      tidegate lineage champion
      tidegate lineage S01@2025-03-01T06:00
      tidegate lineage 3 --as mermaid
    """
    from tidegate.pipeline import drive
    from tidegate.pipeline import lineage as chains

    write = {Format.text: chains.as_text, Format.json: chains.as_json, Format.mermaid: chains.as_mermaid}[as_]
    console.say(write(chains.lineage(drive.checked_settings(), reference)))
