"""Window: cut the clean data into windows, split by time.

Reads artifacts/clean.parquet. Writes artifacts/windows: the panel (values and observed, stations × steps ×
features, scaled), the starts of each split's windows, the spec with the scaler, and the proof that nothing leaks
between the splits. Stops if there are too few steps, a target cannot be learnt, or the proof fails.
"""

from collections import Counter
from dataclasses import replace

import numpy as np

from tidegate.windows.alerts import check_classes
from tidegate.windows.arrival import fit_rules
from tidegate.windows.clean import grids, stations_and_times
from tidegate.windows.leakage import prove_no_leakage
from tidegate.windows.left_out import named, require_enough, unlearnable, without
from tidegate.windows.scaler import constant_covariates, fit_scaler, to_panel
from tidegate.windows.spec import spec_of
from tidegate.windows.splits import SPLITS, check_length, split_spans, starts_in
from tidegate.windows.store import WindowsWriter
from tidegate.workspace.identity import made_from
from tidegate.workspace.paths import CLEAN, MADE_FROM, QUARANTINE, WINDOWS, atomic_output, write_json
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings


def run(settings: Settings, progress: Progress) -> str:
    """Window the clean data, a range of stations at a time; give one line with the number of windows of each split."""
    options = settings.window
    rows, times = stations_and_times(CLEAN)
    spec = spec_of(settings, [str(name) for name in rows.index])
    spans = split_spans(len(times), options.validation_share, options.test_share, options.gap)
    check_length(spans, spec, len(times))
    alerts, constant, left_out, kept = 0.0, Counter[str](), dict[str, str](), list[str]()
    with atomic_output(WINDOWS) as folder:
        store = WindowsWriter(folder, spec, len(times))
        for whole, given in grids(CLEAN, rows, spec.features):
            train = starts_in(whole, spec, spans["train"], options.min_observed_share)
            left_out |= unlearnable(whole, spans["train"][1], train, spec)
            clean = without(whole, left_out)
            kept += clean.stations
            progress(len(kept), len(rows), f"{len(kept):,} stations")
            if not clean.stations:
                continue
            rules = fit_rules(settings.dataset, clean, spans["train"][1])
            scaler = fit_scaler(clean, spans["train"][1], spec)
            constant += constant_covariates(clean, spans["train"][1], spec)
            arrived = replace(clean, values=rules.passed(without(given, left_out).values, spec))
            numbers = np.arange(len(clean.stations), dtype=np.int32) + store.rows_written
            panel = to_panel(arrived, scaler, spec, numbers, clean)
            share = options.min_observed_share
            grid_starts = {split: starts_in(arrived, spec, spans[split], share, clean) for split in SPLITS}
            if spec.alert:
                alerts += float(panel.future(grid_starts["train"])[0].sum())
            store.add(panel, scaler, rules, grid_starts)
        require_enough(left_out, len(rows), options.left_out_tolerance)
        starts, spec = store.starts(), spec_of(settings, kept)
        proof = prove_no_leakage(starts, spec, spans["train"][1], options.gap, times)
        if spec.alert:
            check_classes(alerts / len(starts["train"]), len(starts["train"]), spec)
        store.close(spec, times, proof, left_out)
        write_json(folder / MADE_FROM, made_from(CLEAN, QUARANTINE))
    counts = ", ".join(f"{len(starts[split]):,} {split}" for split in SPLITS)
    line = f"{counts} windows of {spec.lookback_steps} → {spec.horizon_steps} steps"
    unused = ", ".join(f"{name} at {count} stations" for name, count in sorted(constant.items()))
    line += f"; constant in the training span, so left unused: {unused}" if unused else ""
    return line + (f"; left out: {named(left_out)}" if left_out else "")
