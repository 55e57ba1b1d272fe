"""Staging: one stage of a run in another clone, done in this machine's clone of the same commit."""

from prefect import flow

from flows import upkeep
from flows.tasks import as_task
from tidegate.pipeline import drive, lock
from tidegate.pipeline.remote import StageInputs


@flow(name="staging", validate_parameters=False)
def staging(stage: str, commit: str, files: dict[str, str]) -> None:
    """Run one stage on behalf of a run in another clone.

    Args:
        stage: Its name in dvc.yaml, for example train@gru.
        commit: The git commit of the run; this clone must be at the same one.
        files: The run's params.yaml, dvc.lock and data.dvc, by path.
    """
    with upkeep.heartbeat():  # from the start: a slow tracking server can delay tidy()
        upkeep.tidy()
        with lock.workspace_lock(f"the flow staging of {stage}"):
            drive.run_for_another(stage, StageInputs(commit, files), as_task)
