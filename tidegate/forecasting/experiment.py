"""What `dvc exp run` decides about a candidate is a remark: an experiment registers nothing, and is never current.

DVC takes a stage for up to date as long as its dependencies and outputs are those of dvc.lock, and an experiment in the
workspace writes dvc.lock too. So the remark is written a second time, into artifacts/evaluation, a dependency of the
stage: dvc.lock then holds a hash of that folder which no evaluation has. The next `dvc repro` or `tidegate run` takes
the folder from DVC's cache as it was evaluated, finds another dependency than dvc.lock has, and registers.
"""

from typing import Any

from tidegate.forecasting.promotion import Decision
from tidegate.workspace.paths import EVALUATION, REGISTRATION, write_json

REMARK = EVALUATION / "experiment.json"


def write_remark(experiment: str, decision: Decision, version: Any | None) -> str:
    """Write what would have been registered; give it in one line."""
    if version is not None:
        outcome = f"{decision.candidate} is version {version.version} of {version.name} already"
    elif decision.promoted:
        outcome = f"{decision.candidate} would be promoted"
    elif decision.registered:
        outcome = f"{decision.candidate} would be registered as challenger"
    else:
        outcome = "nothing would be registered"
    reason = f"an experiment ({experiment}) registers nothing; {outcome}: {decision.reason}"
    remark = {
        "experiment": experiment,
        "candidate": decision.candidate,
        "registered": False,
        "promoted": False,
        "reason": reason,
    }
    for path in (REGISTRATION, REMARK):
        write_json(path, remark)
    return reason
