"""The model card of a registered version: what whoever opens its page in MLflow needs to know, in Markdown.

Its headings are those of Mitchell et al., Model Cards for Model Reporting (FAT* 2019), as far as forecasts have them.
All facts are read from the artifacts of the run that registers it.
"""

from collections.abc import Mapping

import pandas as pd

import models
from tidegate.evaluation.breakdown import BY_DAY
from tidegate.evaluation.score_table import ScoreTable
from tidegate.evaluation.significance import diebold_mariano
from tidegate.forecasting.promotion import Decision
from tidegate.measurements.grid import step_of
from tidegate.windows.left_out import named
from tidegate.windows.store import read_left_out
from tidegate.workspace.columns import STATION
from tidegate.workspace.paths import EVALUATION, VALIDATION, WINDOWS, read_json
from tidegate.workspace.settings import Settings


def model_card(
    settings: Settings, decision: Decision, run_id: str, identity_tags: Mapping[str, str], version: str
) -> str:
    """Write the card of a version.

    Args:
        settings: of the workspace.
        decision: about the candidate.
        run_id: of the run that trained it.
        identity_tags: of that run.
        version: its number.
    """
    sections = {
        "": _what(settings, decision),
        "Data": _data(settings),
        "Test scores": _scores(settings, decision.candidate),
        "Intervals": _intervals(settings, decision.candidate),
        "Limits": _limits(settings, decision.candidate),
        "Why it was registered": _decision(decision),
        "Lineage": _lineage(run_id, identity_tags, f"{settings.register_.name} version {version}", version),
        "How to call it": _call(settings.register_.name, version),
    }
    return "\n\n".join(f"### {title}\n\n{text}" if title else text for title, text in sections.items() if text) + "\n"


def _what(settings: Settings, decision: Decision) -> str:
    section = settings.models[decision.candidate]
    options = ", ".join(f"{key} {value}" for key, value in section.items() if key != "family")
    window = settings.window
    targets = ", ".join(f"{name} ({settings.dataset.variables[name].unit})" for name in settings.dataset.targets)
    what = f"the chance of an alert ({window.alert})" if window.alert else f"the next {window.horizon_steps} steps"
    return (
        f"**{decision.candidate}** ({section['family']}: {options}) forecasts {what} of {targets} in steps of "
        f"{settings.dataset.frequency} at every station, from the last {window.lookback_steps} steps."
    )


def _data(settings: Settings) -> str:
    proof, gate = read_json(WINDOWS / "proof.json"), read_json(VALIDATION)
    values = gate["values"]
    held = ", ".join(f"{rule} {count:,}" for rule, count in gate["quarantined"].items()) or "none"
    spans = [
        f"| {split} | {proof[split]['targets_from'][:16]} | {proof[split]['targets_to'][:16]} | "
        f"{proof[split]['windows']:,} |"
        for split in ("train", "validation", "test")
    ]
    return "\n".join(
        [
            f"Source `{settings.dataset.source}`, {gate['stations']:,} stations. The data gate let "
            f"{values['kept']:,} of {values['measured']:,} values pass and put {values['quarantined']:,} into "
            f"quarantine (by rule: {held}).",
            "",
            "| span | targets from (UTC) | to | windows |",
            "|---|---|---|---:|",
            *spans,
        ]
    )


def _scores(settings: Settings, candidate: str) -> str:
    table = ScoreTable.of(settings, read_json(EVALUATION / "metrics.json"))
    return "\n".join([*table.as_markdown(candidate), "", _against_baseline(settings, candidate)])


def _against_baseline(settings: Settings, candidate: str) -> str:
    """Say whether the candidate is better than the baseline by more than chance explains, day by day."""
    baseline = models.baseline_of(settings.models, settings.window)
    days = pd.read_parquet(EVALUATION / BY_DAY)
    days = days[days["model"] == candidate]
    if candidate == baseline or days.empty:
        return ""
    sums = days.assign(
        loss=days["loss"] * days["verified"], naive_loss=days["naive_loss"] * days["verified"]
    ).groupby("day")[["loss", "naive_loss", "verified"]].sum()  # fmt: skip
    differences = ((sums["loss"] - sums["naive_loss"]) / sums["verified"]).asfreq("D").to_numpy()
    reach = step_of(settings.dataset.frequency) * settings.window.horizon_steps / pd.Timedelta(days=1)
    tested = diebold_mariano(differences, int(reach) + 1)  # days whose forecasts overlap
    loss = "squared error" if settings.window.alert else "absolute error"
    sure = "more than chance explains" if tested.p_value <= settings.register_.evidence.p_value else "not certain"
    return (
        f"Against {baseline.replace('_', ' ')} its mean {loss} differs by {tested.mean:+.3g} over {len(sums):,} test "
        f"days: {sure} (Diebold–Mariano p {tested.p_value:.2g}, worth {tested.effective:.0f} independent days)."
    )


def _intervals(settings: Settings, candidate: str) -> str:
    scores, levels = read_json(EVALUATION / "metrics.json")[candidate], settings.window.quantiles
    if "coverage" not in scores:
        return ""
    width = f", and are {scores['width']:.3g} wide on average" if "width" in scores else ""
    return (
        f"Quantiles at {', '.join(f'{level:g}' for level in levels)}. Its {levels[-1] - levels[0]:.0%} intervals held "
        f"{scores['coverage']:.1%} of the test span's measurements{width}."
    )


def _limits(settings: Settings, candidate: str) -> str:
    metric = settings.evaluate.metric
    rows = pd.read_csv(EVALUATION / "by_station.csv", dtype={STATION: str})
    rows = rows[rows["model"] == candidate]
    lines = ["- The stations that it has not been trained on it does not know."]
    if left_out := read_left_out():
        lines.append(f"- Left out of training: {named(left_out)}.")
    if metric in rows and rows[metric].notna().any():
        worst = rows.sort_values(metric, ascending=False).iloc[0]
        lines.append(f"- Its largest error is at station {worst[STATION]}: {metric} {worst[metric]:.4g}.")
    lines += [
        "- The scores are of one test span; a season that it does not hold has not been tested.",
        "- With too few measurements in its lookback, a station is forecast by the seasonal naive fallback, and its "
        "`method` says so.",
        "- `tidegate verify` and `tidegate watch` compare what it has forecast with what came.",
    ]
    return "\n".join(lines)


def _decision(decision: Decision) -> str:
    evidence = [f"- {rule}: {figures}" for rule, figures in decision.evidence.items()]
    return "\n".join([f"{decision.reason}.", *([""] if evidence else []), *evidence])


def _lineage(run_id: str, tags: Mapping[str, str], label: str, version: str) -> str:
    changed = ", with uncommitted changes (`changes.patch`)" if tags.get("tidegate.dirty") == "true" else ""
    return "\n".join(
        [
            f"- code: commit `{tags.get('tidegate.commit', 'none')}`{changed}",
            f"- data: `{tags.get('tidegate.data', 'unknown')}` (DVC)",
            f"- parameters: digest `{tags.get('tidegate.params', '')}`, seed {tags.get('tidegate.seed', '')}",
            f"- run: `{run_id}`",
            f"- `tidegate lineage {version}` shows the whole chain of {label}, "
            f"`tidegate reproduce {version}` makes it again",
        ]
    )


def _call(name: str, version: str) -> str:
    return f"""With `tidegate forecast` or `tidegate serve` if it is the champion; from Python:

```python
import mlflow
model = mlflow.pyfunc.load_model("models:/{name}/{version}")
forecasts = model.predict(recent)  # recent: station, time and the variables, a row a station and step
```"""
