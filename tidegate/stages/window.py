"""Window: cut the clean data into windows, split by time.

Reads artifacts/clean.parquet. Writes artifacts/windows: the panel (values and observed, stations × steps ×
features, scaled), the starts of each split's windows, the spec with the scaler, and the proof that nothing leaks.
Stops when there are too few steps, a target cannot be learnt, or the proof fails.
"""

from tidegate import frame as long_frame
from tidegate import windows
from tidegate.artifacts import CLEAN
from tidegate.errors import DataError
from tidegate.panel import Panel, Starts, WindowSpec
from tidegate.report import Report
from tidegate.settings import Settings
from tidegate.windows import SPLITS


def run(settings: Settings, report: Report) -> str:
    """Window the clean data; give one line of how many windows each split holds."""
    chosen = settings.window
    grid = windows.to_grid(long_frame.read(CLEAN), chosen.features)
    report(1, 4, "grid")
    spec = windows.spec_of(settings, grid)
    spans = windows.spans(len(grid.times), chosen.validation_share, chosen.test_share, chosen.gap)
    _check_length(spans, spec, len(grid.times))
    scaler = windows.fit_scaler(grid, spans["train"][1], spec)
    panel = windows.to_panel(grid, scaler, spec)
    report(2, 4, "scaled")
    starts = {split: windows.starts_in(grid, spec, spans[split], chosen.min_observed_share) for split in SPLITS}
    proof = windows.prove(starts, spec, spans["train"][1], chosen.gap, grid.times)
    if spec.alert:
        _check_classes(panel, starts["train"])
    windows.write(panel, starts, scaler, grid.times[0], proof)
    counts = ", ".join(f"{len(starts[split]):,} {split}" for split in SPLITS)
    return f"{counts} windows of {spec.lookback} → {spec.horizon} steps"


def _check_classes(panel: Panel, starts: Starts) -> None:
    """Refuse an alert that training has never seen, or has always seen.

    Raises:
        DataError: there is nothing to tell apart.
    """
    share = float(panel.future(starts)[0].mean())
    if share in (0.0, 1.0):
        side, limit = panel.spec.alert or ("", 0.0)
        raise DataError(
            f"{panel.spec.targets[0]} gets {side} {limit:g} in {'all' if share else 'none'} of the {len(starts):,} "
            "training windows: there is nothing to tell apart; set another limit in window.alert, or bring more data."
        )


def _check_length(spans: dict[str, tuple[int, int]], spec: WindowSpec, steps: int) -> None:
    for split, (first, end) in spans.items():
        need = spec.lookback + spec.horizon if split == "train" else spec.horizon
        if end - first < need:
            raise DataError(
                f"The {split} span has {max(0, end - first)} of the data's {steps} steps, fewer than the {need} that "
                f"one window of {spec.lookback} + {spec.horizon} steps needs: shorten window.horizon_steps or "
                "lookback_steps, or bring more data."
            )
