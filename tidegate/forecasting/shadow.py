"""Forecast with the version on trial too; `trial.py` decides about it, and needs much more to be imported."""

from tidegate.errors import UserError
from tidegate.forecasting.issue import Span, issue_forecasts
from tidegate.tracking.aliases import bearer
from tidegate.tracking.log_entries import SHADOW
from tidegate.verification.places import ON_TRIAL
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings


def forecast_beside(settings: Settings, progress: Progress, as_of: str | None, span: Span | None) -> str:
    """Forecast with the version on trial too, from where the champion has; say so, or why it cannot, or nothing."""
    version = bearer(settings.register_.name, SHADOW)
    if version is None:
        return ""
    try:
        issued = issue_forecasts(settings, progress, as_of, span, place=ON_TRIAL)
    except UserError as error:  # the champion's forecasts stand
        return f"version {version.version}, which is on trial, has not forecast: {str(error).rstrip('.')}"
    return f"{len(issued.rows):,} by version {version.version} on trial, in {issued.folder}"
