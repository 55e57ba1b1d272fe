"""Where forecasts are kept, and how they did: those that were issued, and those of a version on trial, apart."""

from dataclasses import dataclass
from pathlib import Path

from tidegate.workspace.paths import FORECASTS, SHADOW, VERIFICATION

ROWS, DAYS = "rows", "days"  # in the folder of a version's verification: row by row, and summed up by day
FIRST, STANDING = "first", "standing"  # issues: what was issued first, and the revision that stands


@dataclass(frozen=True)
class Place:
    """Folders of forecasts and of their verification, each with a folder a version."""

    forecasts: Path
    verification: Path
    issued: bool  # to users: only these are adapted, and stored in the database too


ISSUED = Place(FORECASTS, VERIFICATION, True)
ON_TRIAL = Place(SHADOW / "forecasts", SHADOW / "verification", False)
