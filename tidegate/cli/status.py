"""The command `status`."""

from tidegate.cli.app import Result, app, guarded
from tidegate.pipeline import console


@app.command()
@guarded
def status() -> Result:
    """Say how data, stages, champion, forecasts and servers stand.

    \b
    Examples:
      tidegate status
      tidegate status --json
    """
    from tidegate.pipeline import status as workspace

    parts = workspace.status()
    for name, part in parts.items():
        console.say(f"{name:<10} {part.says}")
    return parts
