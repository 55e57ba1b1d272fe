"""The command `replay`, and the one that it runs in the replay's own workspace."""

import sys
from typing import Annotated

import typer

from tidegate.cli.app import Result, app, guarded
from tidegate.pipeline import console


@app.command()
@guarded
def replay(
    begin: Annotated[str, typer.Option("--from", help="First day (UTC): what is known then is trained on.")],
    end: Annotated[str | None, typer.Option("--to", help="Last day; by default the newest in data/.")] = None,
    every: Annotated[str, typer.Option(help="How often the schedule trains: days or weeks, such as 1w.")] = "1w",
    anew: Annotated[bool, typer.Option("--anew", help="Begin again, if it has been begun before.")] = False,
) -> Result:
    """Go through a past span as if it were now.

    Each day is ingested, forecast, verified and watched, and models are trained and promoted, in a folder apart.

    \b
    Examples:
      tidegate replay --from 2025-07-01
      tidegate replay --from 2025-01-01 --to 2025-12-31 --every 4w
    """
    from tidegate.pipeline import drive, replay
    from tidegate.pipeline.lock import workspace_lock

    drive.checked_settings()
    plan = replay.plan_of(begin, end, every)
    with workspace_lock("tidegate replay"):
        goes_on = replay.prepare(plan, anew)
    console.say(f"{'Going on' if goes_on else 'Replaying'} in {plan.folder}/, which may be deleted at any time.")
    if code := replay.run_days(plan):
        sys.exit(code)  # its sentence is printed
    console.say(f"Its figure is {plan.folder / replay.FIGURE}; {replay.PERIODS} and {replay.EVENTS} hold the numbers.")
    return replay.result(plan)


@app.command("replay-days", hidden=True)
@guarded
def replay_days() -> None:
    """Go through the days of the replay whose workspace this is: `tidegate replay` runs it."""
    from tidegate.cli import tables
    from tidegate.pipeline import drive, replay
    from tidegate.pipeline.lock import workspace_lock
    from tidegate.pipeline.replay_days import walk
    from tidegate.pipeline.replay_result import write_result

    plan = replay.read_plan()
    with workspace_lock("tidegate replay"), console.stage_line("replay") as line:
        done = walk(plan, line, console.say)
        held = write_result(drive.checked_settings(), plan, done)
        line.result = done.sentence(len(plan.days) - 1)
    console.show(tables.reign_table(held))
