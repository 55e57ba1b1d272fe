"""Verification: compare issued forecasts with what was measured since."""

from prefect import flow

from flows import upkeep
from flows.tasks import as_task
from tidegate.pipeline import drive
from tidegate.pipeline.dag import StageRun

VERIFY = StageRun("verify", retries=3)


@flow(name="verification", validate_parameters=False)
def verification(since: str | None = None) -> None:
    """Verify the forecasts whose measurements have come.

    Args:
        since: Verify all forecasts again from the month of this time (UTC) on.
    """
    upkeep.tidy()
    as_task(VERIFY, lambda: drive.verify(since))


if __name__ == "__main__":
    verification()
