"""The command `tidegate`: `run` for everything, `up` for the servers, and one verb a stage.

    app            the command line itself: logs, errors as sentences, exit codes
    run, data, stages, forecasts, experiments     the commands, by what they are about
    tables         results as tables
    servers        Prefect's and MLflow's servers on this machine

A command's modules are imported when it runs, and no sooner.
"""

from importlib import import_module

from tidegate.cli.app import app, main

for _name in ("run", "data", "stages", "forecasts", "experiments"):  # each adds its commands, in the order of --help
    import_module(f"tidegate.cli.{_name}")

__all__ = ["app", "main"]
