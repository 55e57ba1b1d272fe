"""Issued forecasts that are verified in the workspace in which a test stands."""

from pathlib import Path

from tidegate.forecasting.issue import issue_forecasts
from tidegate.pipeline import drive
from tidegate.verification.verify import Verified, verify
from tidegate.workspace.paths import VERIFICATION
from tidegate.workspace.progress import no_progress


def issue(first: str, last: str) -> None:
    issue_forecasts(drive.checked_settings(), no_progress, None, (first, last))


def verified(since: str | None = None) -> Verified:
    return verify(drive.checked_settings(), no_progress, since)


def kept() -> dict[str, bytes]:
    """The bytes of each file in verification/."""
    return {path.as_posix(): Path(path).read_bytes() for path in sorted(VERIFICATION.rglob("*.parquet"))}
