"""Staging: one stage of a run elsewhere, in a clone of the same commit on this machine."""

from prefect import flow

from flows import upkeep
from flows.tasks import as_task
from tidegate.pipeline import drive, lock
from tidegate.pipeline.remote import StageInputs


@flow(name="staging", validate_parameters=False)
def staging(stage: str, commit: str, files: dict[str, str]) -> None:
    """Run one stage on behalf of a run in another clone.

    Args:
        stage: Its name in dvc.yaml, train@gru say.
        commit: The git commit that the run is at; this clone must be at the same one.
        files: The run's params.yaml, dvc.lock and data.dvc, by path.
    """
    with upkeep.heartbeat():  # from the first: a tracking server that is slow may hold up the beginning
        upkeep.tidy()
        with lock.workspace_lock(f"the flow staging of {stage}"):
            drive.run_for_another(stage, StageInputs(commit, files), as_task)
