"""artifacts/windows: written a range of stations at a time, and read as a panel."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tidegate.windows.arrival import ArrivalRules
from tidegate.windows.calendar import calendar_values
from tidegate.windows.panel import Panel, Starts
from tidegate.windows.scaler import Scaler
from tidegate.windows.spec import WindowSpec
from tidegate.windows.splits import SPLITS
from tidegate.workspace.paths import WINDOWS, read_json, require_file, write_json

SPEC = "spec.json"


class WindowsWriter:
    """Writes artifacts/windows, a range of stations at a time, so that memory is bounded."""

    def __init__(self, folder: Path, spec: WindowSpec, steps: int) -> None:
        """Create the array files, (stations, steps, features), in a new folder; `spec` may name more stations."""
        self.folder, self.spec = folder, spec
        self.rows_written = 0  # a row is a station
        folder.mkdir()
        shape = (len(spec.stations), steps, len(spec.features))
        self._arrays = {
            "values": self._array("values", np.float32, shape),
            "observed": self._array("observed", bool, shape),
        }
        self._arrays["truth"] = self._array("truth", np.float32, (*shape[:2], len(spec.targets)))
        if spec.alert:
            self._arrays["events"] = self._array("events", np.float32, shape[:2])
        self._scalers: list[Scaler] = []
        self._rules: list[ArrivalRules] = []
        self._starts: dict[str, list[Starts]] = {split: [] for split in SPLITS}

    def _array(self, name: str, dtype: Any, shape: tuple[int, ...]) -> Any:
        return np.lib.format.open_memmap(self.folder / f"{name}.npy", "w+", dtype, shape)

    def add(self, panel: Panel, scaler: Scaler, rules: ArrivalRules, starts: dict[str, Starts]) -> None:
        """Add the next stations, which `panel` and `starts` number from 0."""
        rows = slice(self.rows_written, self.rows_written + len(panel.values))
        self._arrays["values"][rows], self._arrays["observed"][rows] = panel.values, panel.observed
        self._arrays["truth"][rows] = panel.truth
        if panel.events is not None:
            self._arrays["events"][rows] = panel.events
        for split, split_starts in starts.items():
            self._starts[split].append(split_starts + np.array([self.rows_written, 0], np.int32))
        self._scalers.append(scaler)
        self._rules.append(rules)
        self.rows_written = rows.stop

    def starts(self) -> dict[str, Starts]:
        """Give the windows of each split, ordered by station."""
        return {split: np.concatenate(parts) for split, parts in self._starts.items()}

    def close(
        self, spec: WindowSpec, times: pd.DatetimeIndex, proof: dict[str, Any], left_out: Mapping[str, str]
    ) -> None:
        """Write the remaining files: the windows, the calendar, the spec with the scaler, and the proof.

        Args:
            spec: of the stations that were added.
            times: of the grid.
            proof: that no split sees another's future.
            left_out: the other stations, each with its reason.
        """
        self.spec = spec
        for name, array in self._arrays.items():
            array.flush()
            if self.rows_written < len(array):  # stations have been left out
                np.save(self.folder / f"{name}.kept.npy", array[: self.rows_written])
                (self.folder / f"{name}.kept.npy").replace(self.folder / f"{name}.npy")
        starts = self.starts()
        np.save(self.folder / "calendar.npy", calendar_values(times, self.spec.calendar, self.spec.time_zone))
        for split in SPLITS:
            np.save(self.folder / f"starts_{split}.npy", starts[split])
        scaler = Scaler(
            *(np.concatenate([getattr(scaler, part) for scaler in self._scalers]) for part in ("mean", "deviation"))
        )
        content = {"spec": self.spec.as_json(), "scaler": scaler.as_json(), "begins": str(times[0])}
        content["seen_until"] = proof["validation"]["targets_to"]  # what a model learns from, and is chosen by
        content["arrival"] = ArrivalRules.joined(self._rules).as_json()
        content |= {"left_out": dict(left_out)} if left_out else {}
        write_json(self.folder / SPEC, content)
        write_json(self.folder / "proof.json", proof)


def read_windows() -> tuple[Panel, dict[str, Starts]]:
    """Read the panel, and the windows of each split."""
    require_file(WINDOWS)
    arrays = {path.stem: np.load(path, allow_pickle=False) for path in sorted(WINDOWS.glob("*.npy"))}
    starts = {split: arrays[f"starts_{split}"] for split in SPLITS}
    spec = read_spec(WINDOWS / SPEC)[0]
    panel = Panel.create(
        arrays["values"], arrays["observed"], spec, arrays["calendar"], None, arrays.get("events"), arrays.get("truth")
    )
    return panel, starts


def read_spec(path: Path = WINDOWS / SPEC) -> tuple[WindowSpec, Scaler]:
    """Read the spec of the windows and the scaler."""
    raw = read_json(path)
    return WindowSpec.from_json(raw["spec"]), Scaler.from_json(raw["scaler"])


def read_seen_until(path: Path) -> str | None:
    """Read up to when a model learns and is chosen by what was measured; None of older versions."""
    until: str | None = read_json(path).get("seen_until")
    return until


def read_left_out(path: Path = WINDOWS / SPEC) -> dict[str, str]:
    """Read the stations that were left out of the windows, each with its reason."""
    left_out: dict[str, str] = read_json(path).get("left_out", {})
    return left_out


def read_rules(path: Path = WINDOWS / SPEC) -> ArrivalRules:
    """Read the rules by which values are judged as they arrive."""
    return ArrivalRules.from_json(read_json(path).get("arrival"))
