"""The commands `run`, for the whole pipeline, and `up`, for the servers."""

import time
from contextlib import ExitStack, suppress
from typing import Annotated

import typer

from tidegate.cli.app import Result, app, guarded
from tidegate.pipeline import console
from tidegate.workspace.paths import REPORT


@app.command()
@guarded
def run() -> Result:
    """Ingest new rows, and bring every stage up to date. The stages of dvc.yaml run as a Prefect flow.

    \b
    Examples:
      tidegate run                                    starts its own Prefect server
      PREFECT_API_URL=http://host:4200/api tidegate run    uses yours
    """
    from tidegate.pipeline import drive
    from tidegate.pipeline.lock import workspace_lock

    settings = drive.checked_settings()
    with workspace_lock("tidegate run"):
        if drive.is_current():
            console.say("Everything is up to date: the source has nothing new, and no stage is stale.")
            return _outcome(ran=False)
        from tidegate.cli.servers import flow_module

        with flow_module("retraining") as flow:
            flow.retraining()

    from tidegate.cli import tables
    from tidegate.reporting.page import write_dvc_page
    from tidegate.tracking import pages

    write_dvc_page()

    console.show(tables.score_table(settings))
    if remark := tables.coverage_remark(settings):
        console.say(remark)
    console.say(tables.champion_sentence())
    console.say("To look at it: make up (runs, figures and the registry in MLflow; flows and schedules in Prefect);")
    console.say(f"the training runs, best first: {pages.runs_url()}")
    console.say(f"Report: {REPORT}")
    return _outcome(ran=True)


def _outcome(ran: bool) -> Result:
    from tidegate.workspace.paths import EVALUATION, REGISTRATION, read_json

    return {"ran": ran, "registration": read_json(REGISTRATION), "scores": read_json(EVALUATION / "metrics.json")}


@app.command()
@guarded
def up(
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's server.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's server.")] = 5000,
) -> None:
    """Serve Prefect, MLflow and the schedules, until Ctrl-C.

    \b
    Examples:
      tidegate up
      tidegate up --prefect-port 4300 --mlflow-port 5100
    """
    from tidegate.cli import servers
    from tidegate.tracking import pages

    console.say("Starting the servers …")
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        with console.progress_bar("up") as progress:
            prefect, mlflow = stack.enter_context(servers.all_servers(prefect_port, mlflow_port, progress))
        console.say(f"Prefect  {prefect}   flows, schedules, deployments")
        console.say(f"MLflow   {pages.runs_url(mlflow)}   runs, best first; figures, the registry")
        console.say("Ready. Ctrl-C stops everything.")
        while True:
            time.sleep(3600)
    console.say("Stopped.")
