"""Window: cut the clean data into windows, split by time.

Reads artifacts/clean.parquet. Writes artifacts/windows: the panel (values and observed, stations × steps ×
features, scaled), the starts of each split's windows, the spec with the scaler, and the proof that nothing leaks
between the splits. Stops if there are too few steps, a target cannot be learnt, or the proof fails.
"""

from collections import Counter

import numpy as np

from tidegate.errors import DataError
from tidegate.windows.clean import grids, stations_and_times
from tidegate.windows.leakage import prove_no_leakage
from tidegate.windows.scaler import constant_covariates, fit_scaler, to_panel
from tidegate.windows.spec import WindowSpec, spec_of
from tidegate.windows.splits import SPLITS, split_spans, starts_in
from tidegate.windows.store import WindowsWriter
from tidegate.workspace.paths import CLEAN, WINDOWS, atomic_output
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings


def run(settings: Settings, progress: Progress) -> str:
    """Window the clean data, a range of stations at a time; give one line with the number of windows of each split."""
    options = settings.window
    rows, times = stations_and_times(CLEAN)
    spec = spec_of(settings, [str(name) for name in rows.index])
    spans = split_spans(len(times), options.validation_share, options.test_share, options.gap)
    _check_length(spans, spec, len(times))
    alerts, constant = 0.0, Counter[str]()
    with atomic_output(WINDOWS) as folder:
        store = WindowsWriter(folder, spec, len(times))
        for grid in grids(CLEAN, rows, spec.features):
            scaler = fit_scaler(grid, spans["train"][1], spec)
            constant += constant_covariates(grid, spans["train"][1], spec)
            panel = to_panel(grid, scaler, spec, np.arange(len(grid.stations), dtype=np.int32) + store.rows_written)
            grid_starts = {split: starts_in(grid, spec, spans[split], options.min_observed_share) for split in SPLITS}
            if spec.alert:
                alerts += float(panel.future(grid_starts["train"])[0].sum())
            store.add(panel, scaler, grid_starts)
            progress(store.rows_written, len(rows), f"{store.rows_written:,} stations")
        starts = store.starts()
        proof = prove_no_leakage(starts, spec, spans["train"][1], options.gap, times)
        if spec.alert:
            _check_classes(alerts / len(starts["train"]), len(starts["train"]), spec)
        store.close(starts, times, proof)
    counts = ", ".join(f"{len(starts[split]):,} {split}" for split in SPLITS)
    line = f"{counts} windows of {spec.lookback_steps} → {spec.horizon_steps} steps"
    unused = ", ".join(f"{name} at {count} stations" for name, count in sorted(constant.items()))
    return line + (f"; constant in the training span, so left unused: {unused}" if unused else "")


def _check_classes(share: float, count: int, spec: WindowSpec) -> None:
    """Check that the training windows hold both alerts and non-alerts; `share` is that of the alerts.

    Raises:
        DataError: all windows are of one class.
    """
    if share in (0.0, 1.0):
        side, limit = spec.alert or ("", 0.0)
        raise DataError(
            f"{spec.targets[0]} gets {side} {limit:g} in {'all' if share else 'none'} of the {count:,} "
            "training windows: there is only one class to learn; set another limit in window.alert, or bring more data."
        )


def _check_length(spans: dict[str, tuple[int, int]], spec: WindowSpec, steps: int) -> None:
    """Check that each split's span is long enough for a window.

    Raises:
        DataError: one is too short.
    """
    for split, (first, end) in spans.items():
        need = spec.lookback_steps + spec.horizon_steps if split == "train" else spec.horizon_steps
        if end - first < need:
            raise DataError(
                f"The {split} span has {max(0, end - first)} of the data's {steps} steps, fewer than the {need} that "
                f"one window of {spec.lookback_steps} + {spec.horizon_steps} steps needs: shorten window.horizon_steps "
                "or lookback_steps, or bring more data."
            )
