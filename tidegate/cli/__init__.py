"""The command `tidegate`: the pipeline, the servers, one command per stage, data, forecasts and experiments.

    app            the command line itself: logs, errors as sentences, exit codes
    run, status, data, stages, forecasts, reports, champions, replays, serve, experiments: the commands, by topic
    tables         results as tables
    servers        Prefect's and MLflow's servers on this machine

The modules that a command needs are imported only when it runs, so that --help is fast.
"""

from importlib import import_module

from tidegate.cli.app import app, main

for _name in (
    "run",
    "status",
    "data",
    "stages",
    "forecasts",
    "reports",
    "champions",
    "replays",
    "serve",
    "experiments",
):  # each registers its commands, in the order of --help
    import_module(f"tidegate.cli.{_name}")

__all__ = ["app", "main"]
