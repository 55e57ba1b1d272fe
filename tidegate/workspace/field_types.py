"""Types of fields of params.yaml: numbers, time zones and times."""

import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, Field

from tidegate.workspace.params import utc

Real = Annotated[float, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Steps = Annotated[int, Field(strict=True, ge=1)]
Share = Annotated[Real, Field(ge=0, le=1)]


def _known_zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("there is no such time zone; give a name such as Europe/Berlin or UTC")
    return name


def _checked_time(text: str) -> str:
    utc(text)
    return text


Zone = Annotated[str, AfterValidator(_known_zone)]
Moment = Annotated[str, AfterValidator(_checked_time)]  # UTC unless it has a zone
