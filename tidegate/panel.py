"""The panel: all stations' measurements on one regular time axis, and windows into it that are never copied.

A window is two integers, the station and the first step of its lookback. What lies in it is read from the
panel at the moment it is needed.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Starts = npt.NDArray[np.int32]


TUPLES = ("stations", "features", "targets", "lowest", "highest", "sentinels")


@dataclass(frozen=True)
class WindowSpec:
    """What a model must know of its windows. Durations are in steps of `frequency`."""

    stations: tuple[str, ...]
    features: tuple[str, ...]
    targets: tuple[str, ...]
    frequency: str
    lookback: int
    horizon: int
    season: int
    lowest: tuple[float | None, ...] = ()  # of each feature, in its unit: what lies below is no measurement
    highest: tuple[float | None, ...] = ()
    sentinels: tuple[float, ...] = ()  # values that mean "missing"

    def as_json(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "WindowSpec":
        """Read what `as_json` gave."""
        names = {key: tuple(raw[key]) for key in TUPLES}
        return cls(**{**raw, **names})


@dataclass(frozen=True)
class Panel:
    """Scaled measurements: `values` and `observed` (stations, steps, features), targets first.

    A missing value is 0 in `values`, the training mean, and False in `observed`.
    """

    values: Floats
    observed: Flags
    spec: WindowSpec

    def past(self, starts: Starts) -> tuple[Floats, Flags]:
        """Read the lookback of each window: values and observed (windows, lookback, features)."""
        cells = self._cells(starts, 0, self.spec.lookback)
        return self.values[cells], self.observed[cells]

    def future(self, starts: Starts) -> tuple[Floats, Flags]:
        """Read the targets that follow each lookback: values and observed (windows, horizon, targets)."""
        cells = self._cells(starts, self.spec.lookback, self.spec.horizon)
        targets = len(self.spec.targets)
        return self.values[cells][..., :targets], self.observed[cells][..., :targets]

    @staticmethod
    def _cells(starts: Starts, offset: int, length: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        return starts[:, :1], starts[:, 1:] + np.arange(offset, offset + length)
