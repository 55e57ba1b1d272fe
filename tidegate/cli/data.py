"""The commands about measurements: `init`, `ingest` and `quarantine`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from typing import Annotated

import typer

from tidegate.cli.app import Result, app, guarded
from tidegate.errors import TidegateError, UserError
from tidegate.pipeline import console
from tidegate.workspace.paths import PARAMS, QUARANTINE

OPTIONS = {  # what the user gave to `init`, by the key of params.yaml that a message names
    "dataset.options.paths in params.yaml": "the path that you gave",
    "dataset.options.paths": "the path that you gave",
    f"{PARAMS}: dataset.options.url": "the address that you gave",
    "dataset.options.url": "the address that you gave",
    "dataset.options.table": "--table",
    "dataset.options.time_format": "--time-format",
    "dataset.options.time_zone": "--time-zone",
    "dataset.options.delimiter": "--delimiter",
}

quarantine = typer.Typer(help="Show and release the values that the data gate holds back.", no_args_is_help=True)
app.add_typer(quarantine, name="quarantine")


class Layout(Enum):
    """The shape of a source's table."""

    auto = "auto"
    long = "long"
    wide = "wide"


@app.command()
@guarded
def init(
    source: Annotated[str, typer.Argument(help="A path, glob, folder or URL of files, or a database's address.")],
    table: Annotated[str | None, typer.Option(help="The table of the database.")] = None,
    time: Annotated[
        list[str] | None, typer.Option(help="A column of the time; give it again for each further one.")
    ] = None,
    time_format: Annotated[
        str | None, typer.Option(help="How times are written: %d.%m.%y %H:%M, unix, unix_ms or ISO8601.")
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="The stations' time zone, for example Europe/Berlin.")] = None,
    start: Annotated[str | None, typer.Option(help="The first row's time, where no column holds times.")] = None,
    frequency: Annotated[str | None, typer.Option(help="The step between times, for example 1h or 15min.")] = None,
    station: Annotated[str | None, typer.Option(help="The column that names the station.")] = None,
    target: Annotated[list[str] | None, typer.Option(help="The variable to forecast; may be given again.")] = None,
    layout: Annotated[
        Layout, typer.Option(help="One row per station and time, or one column per station.")
    ] = Layout.auto,
    delimiter: Annotated[str | None, typer.Option(help="What parts the columns: a character, or whitespace.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a data set that is already described.")] = False,
) -> Result:
    """Describe your own measurements. The section dataset of params.yaml is written from what they show.

    \b
    Examples:
      tidegate init "measurements/*.csv"
      tidegate init weather.csv --time-zone America/New_York --yes
      tidegate init counts.csv --time Date --time Clock --target vehicles
      tidegate init log.txt --delimiter whitespace --start 2024-01-01T00:00Z --frequency 10min
      tidegate init 'postgresql+psycopg2://reader:${PASSWORD}@host/weather' --table hourly
    """
    from tidegate.cli import tables
    from tidegate.onboarding import write
    from tidegate.onboarding.columns import Told
    from tidegate.onboarding.proposal import propose
    from tidegate.workspace.settings import load_settings

    settings = load_settings()
    if settings.dataset.source != "simulated" and not force:
        raise UserError(f"{PARAMS} already describes a data set ({settings.dataset.source}): --force replaces it.")
    told = Told(
        time=tuple(time or ()),
        time_format=time_format,
        time_zone=time_zone,
        station=station,
        targets=tuple(target or ()),
        frequency=frequency,
        wide={Layout.auto: None, Layout.wide: True, Layout.long: False}[layout],
        delimiter=delimiter,
        start=start,
    )
    with _options_named(), console.stage_line("init") as line:
        proposal = propose(source, table, told, settings)
        line.result = f"{proposal.rows:,} rows of {proposal.stations} stations inspected"
    names = list(proposal.profiles)
    if not (yes or target or len(names) == 1):
        wanted = console.choose("Which variable is to be forecast?", names, proposal.target.name)
        if wanted != proposal.target.name:
            proposal = propose(source, table, replace(told, targets=(wanted,)), settings)
    console.show(tables.proposal_table(proposal))
    remarks = write.remarks(proposal)
    for remark in remarks:
        console.say(remark)
    seen = {"rows": proposal.rows, "stations": proposal.stations, "target": proposal.target.name, "remarks": remarks}
    if not (yes or console.confirm(f"Write the section dataset of {PARAMS}?")):
        console.say("Nothing was written.")
        return {**seen, "changes": []}
    changes = write.write(proposal)
    for change in changes:
        console.say(change)
    console.say(f"Written into {PARAMS}: look it over, then make run.")
    return {**seen, "changes": changes}


@contextmanager
def _options_named() -> Iterator[None]:
    """Let the messages of a source name what was given on the command line, and not keys that nobody has set."""
    try:
        yield
    except TidegateError as error:
        message = str(error)
        for key, option in OPTIONS.items():
            message = message.replace(key, option)
        raise type(error)(message) from error


@app.command()
@guarded
def ingest(
    anew: Annotated[bool, typer.Option("--anew", help="Rebuild data/ from the source alone.")] = False,
    as_of: Annotated[str | None, typer.Option(help="Rebuild data/ as it was known at this time.")] = None,
) -> Result:
    """Bring new rows from the source into data/. DVC tracks them.

    \b
    Examples:
      tidegate ingest
      tidegate ingest --anew      after a wrong row was removed from the source
      tidegate ingest --as-of 2025-06-01T00:00    the next plain ingest undoes it
    """
    from tidegate.cli.servers import run_with_runner
    from tidegate.pipeline import drive
    from tidegate.workspace.params import typed_time

    if anew and as_of:
        raise UserError("Both --anew and --as-of are given: leave one out.")
    return run_with_runner(lambda: drive.ingest(anew, typed_time(as_of) if as_of else None))


@quarantine.command("list")
@guarded
def quarantine_list() -> Result:
    """Count the values in quarantine, by rule, station and variable. Releases are listed too.

    \b
    Example:
      tidegate quarantine list
    """
    from tidegate.cli import tables
    from tidegate.pipeline import drive
    from tidegate.quality.quarantine import quarantine_summary

    settings, rows = drive.checked_settings(), quarantine_summary()
    console.show(tables.quarantine_table(rows, f"In quarantine: {rows['values'].sum():,} values; times in UTC"))
    for release in settings.validate_.releases:
        fields = ", ".join(f"{key} {value}" for key, value in release.model_dump(exclude_none=True).items())
        console.say(f"Released: {fields}")
    releases = [release.model_dump(exclude_none=True) for release in settings.validate_.releases]
    return {"values": rows, "releases": releases}


@quarantine.command("show")
@guarded
def quarantine_show(station: Annotated[str, typer.Argument(help="The station's name.")]) -> Result:
    """Show one station's values in quarantine, each with its rule.

    \b
    Example:
      tidegate quarantine show S04
    """
    from tidegate.cli import tables
    from tidegate.quality.quarantine import SHOWN, quarantine_of_station

    rows = quarantine_of_station(station)
    more = f", the first {SHOWN}" if len(rows) > SHOWN else ""
    console.show(tables.quarantine_table(rows, f"{len(rows):,} values{more}; times in UTC", SHOWN))
    console.say(f"All of them are in {QUARANTINE}.")
    return rows


@quarantine.command("release")
@guarded
def quarantine_release(
    rules: Annotated[list[str], typer.Argument(help="Rules: sentinel, range, relation, stuck or spike.")],
    because: Annotated[str, typer.Option(help="The reason; it is recorded.")],
    station: Annotated[str | None, typer.Option(help="Only at this station.")] = None,
    variable: Annotated[str | None, typer.Option(help="Only this variable.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on, UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this time, UTC.")] = None,
) -> Result:
    """Release values from quarantine. The decision is recorded in params.yaml.

    \b
    Examples:
      tidegate quarantine release spike --station S01 --because "a foehn, seen by the neighbours too"
      tidegate quarantine release stuck range --since 2025-03-01 --until 2025-03-02 --because "calibrated by hand"
    """
    from tidegate.pipeline import drive
    from tidegate.quality.quarantine import release
    from tidegate.workspace.params import typed_time

    drive.checked_settings()
    for end in filter(None, (since, until)):
        typed_time(end)
    count = release(rules, because, station=station, variable=variable, since=since, until=until)
    console.say(f"{count:,} values are released, in validate.releases of {PARAMS}: tidegate run takes them back in.")
    return {"released": count}
