"""Diagnose: measure how much of the loss's gradient reaches each step of the lookback, in recurrent candidates.

Reads artifacts/windows and artifacts/models. Writes artifacts/diagnosis/gradient_flow.csv, and adds a figure to each
recurrent candidate's MLflow run. Stops at nothing: a vanishing gradient is shown, not refused.
"""

import numpy as np
import pandas as pd

import models
from tidegate.evaluation import plots
from tidegate.evaluation.colours import colours_of
from tidegate.tracking import results, runs
from tidegate.windows.panel import evenly_spaced
from tidegate.windows.store import read_windows
from tidegate.workspace.identity import made_from
from tidegate.workspace.paths import DIAGNOSIS, MADE_FROM, MODELS, WINDOWS, atomic_output, write_json
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings

COLUMNS = ["model", "steps_back", "gradient_norm", "clipped_norm"]


def run(settings: Settings, progress: Progress) -> str:
    """Measure gradient flow on training windows; give one line that says how much reaches the oldest step."""
    panel, starts = read_windows()
    sample = evenly_spaced(starts["train"], settings.diagnose.windows)
    flows: dict[str, pd.DataFrame] = {}
    for done, (name, section) in enumerate(settings.models.items()):
        progress(done, len(settings.models), name)
        model = models.load(MODELS / name)[0].model
        if not hasattr(model, "gradient_flow"):
            continue
        recipe = models.recipe(name, section, settings.train)
        flow = model.gradient_flow(panel, sample, recipe)
        tokens = len(flow.norms)
        steps_back = (tokens - np.arange(tokens)) * (panel.spec.lookback_steps // tokens)
        share = min(1.0, recipe.clip_norm / flow.weights_norm) if recipe.clip_norm else 1.0
        flows[name] = pd.DataFrame(
            {"model": name, "steps_back": steps_back, "gradient_norm": flow.norms, "clipped_norm": flow.norms * share}
        )
    with atomic_output(DIAGNOSIS) as folder:
        folder.mkdir()
        table = pd.concat(flows.values(), ignore_index=True) if flows else pd.DataFrame(columns=COLUMNS)
        write_json(folder / MADE_FROM, made_from(WINDOWS, *(MODELS / name for name in flows)))
        table.to_csv(folder / "gradient_flow.csv", index=False, float_format="%.6g")
    if not flows:
        return "no recurrent candidate"
    colours = colours_of(settings.models, models.baseline_of(settings.models, settings.window))
    figure = plots.as_png(plots.gradient_flow(flows, colours))
    for name in flows:
        results.record_figures(runs.ensure_run(settings, name), {"gradient_flow": figure})
    return "of the newest step's gradient the oldest has " + ", ".join(
        _gradient_ratio(name, flow) for name, flow in flows.items()
    )


def _gradient_ratio(name: str, flow: pd.DataFrame) -> str:
    """Give the gradient at the oldest step as a share of that at the newest step."""
    norms = flow["gradient_norm"]
    return f"{norms.iloc[0] / max(norms.iloc[-1], 1e-30):.1g} ({name})"
