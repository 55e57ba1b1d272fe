"""How long a run will take: by the time that the walk spent on each stage when it last ran.

Of a stage that ran beside another one that is the time that was waited for it, so the times add up to the whole.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tidegate.errors import DataError
from tidegate.workspace.paths import read_json, write_json

LAST = Path(".tidegate") / "durations.json"  # seconds by stage


class Timing:
    """The times of the stages of one run."""

    def __init__(self, stages: Sequence[str]) -> None:
        """Start with the stages that are to come."""
        self._last = _last_durations()
        self._to_come = {name: self._last.get(name) for name in stages}
        self._now, self._began = "", 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage within the block; `keep` keeps what it took."""
        self._now, self._began = name, time.monotonic()
        yield
        self._to_come.pop(name, None)
        self._now = ""

    def keep(self) -> None:
        """Keep how long the present stage has taken, for the next run."""
        self._last[self._now] = round(time.monotonic() - self._began, 1)
        write_json(LAST, self._last)

    def seconds_left(self) -> float | None:
        """Give the seconds that are left; None if a stage to come has never run here."""
        times = list(self._to_come.values())
        known = [seconds for seconds in times if seconds is not None]
        if not times or len(known) < len(times):
            return None
        expected = self._to_come.get(self._now) or 0.0
        return sum(known) - min(expected, time.monotonic() - self._began if self._now else 0.0)


def _last_durations() -> dict[str, float]:
    try:
        return dict(read_json(LAST)) if LAST.exists() else {}
    except DataError:  # no more than an estimate is lost
        return {}
