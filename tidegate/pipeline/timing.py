"""How long a run will take: by how long each of its stages took when it last ran here."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tidegate.errors import DataError
from tidegate.workspace.paths import read_json, write_json

LAST = Path(".tidegate") / "durations.json"  # seconds by stage


class Timing:
    """The times of the stages of one run."""

    def __init__(self, stages: Sequence[str], side_by_side: Collection[str] = (), at_once: int = 1) -> None:
        """Start with the stages that are to come, and those of them of which several run at once."""
        self._last = _last_durations()
        self._to_come = {name: self._last.get(name) for name in stages}
        self._side_by_side, self.at_once = side_by_side, at_once
        self._now, self._began = "", 0.0

    def last(self, name: str) -> float | None:
        """Give the seconds that a stage took last time, if it ever ran here."""
        return self._last.get(name)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Let a stage be the present one within the block."""
        self._now, self._began = name, time.monotonic()
        yield
        self._to_come.pop(name, None)
        self._now = ""

    def keep(self, seconds: float | None = None) -> None:
        """Keep how long the present stage has taken: `seconds`, or those since it became the present one."""
        self._last[self._now] = round(self._present() if seconds is None else seconds, 1)

    def write(self) -> None:
        """Write what was kept, for the next run."""
        write_json(LAST, self._last)

    def seconds_left(self) -> float | None:
        """Give the seconds that are left; None if a stage to come has never run here."""
        alone, together = list[float](), list[float]()
        for name, seconds in self._to_come.items():
            if seconds is None:
                return None
            left = max(0.0, seconds - self._present()) if name == self._now else seconds
            (together if name in self._side_by_side else alone).append(left)
        if not self._to_come:
            return None
        return sum(alone) + max([sum(together) / self.at_once, *together])

    def _present(self) -> float:
        return time.monotonic() - self._began


def _last_durations() -> dict[str, float]:
    try:
        return dict(read_json(LAST)) if LAST.exists() else {}
    except DataError:  # no more than an estimate is lost
        return {}
