"""What a run came to, as a table."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.table import Table

from tidegate.tracking import registry, runs
from tidegate.workspace import identity
from tidegate.workspace.paths import EVALUATION, MODELS, REGISTRATION, read_json
from tidegate.workspace.settings import Settings

if TYPE_CHECKING:
    from tidegate.onboarding.proposal import Proposal

OF_VALUES = {
    "mae": "MAE, {unit}", "rmse": "RMSE, {unit}", "mase": "MASE", "crps": "CRPS, {unit}", "coverage": "coverage"
}  # fmt: skip
OF_ALERTS = {
    "brier": "Brier",
    "log_loss": "log loss",
    "auroc": "AUROC",
    "average_precision": "AP",
    "macro_f1": "macro F1",
}


def score_table(settings: Settings) -> Table:
    """Lay out the candidates with their test scores, best first; the one before the gate is marked."""
    scores = read_json(EVALUATION / "metrics.json")
    decision = read_json(REGISTRATION)
    target = settings.dataset.targets[0]
    unit = settings.dataset.variables[target].unit
    made = Table(title=f"Test span, all stations: {_what(settings)}", title_justify="left")
    made.add_column("candidate", no_wrap=True)
    columns = OF_ALERTS if settings.window.alert else {key: label.format(unit=unit) for key, label in OF_VALUES.items()}
    for heading in (*columns.values(), "skill", "train time"):
        made.add_column(heading, justify="right")
    made.add_column("")
    for name in sorted(scores, key=lambda candidate: scores[candidate][settings.evaluate.metric]):
        own = scores[name]
        figures = [_figure(key, own.get(key)) for key in columns]
        made.add_row(name, *figures, f"{own['skill']:.1%}", _train_time(name), _role(name, decision))
    return made


def backtest_table(rows: pd.DataFrame, settings: Settings) -> Table:
    """Lay out a backtest: the ranking metric of each candidate in each fold, and its mean over all origins."""
    metric = settings.evaluate.metric
    made = Table(title=f"Backtest, {metric}: {_what(settings)}", title_justify="left")
    made.add_column("from")
    made.add_column("to")
    made.add_column("origins", justify="right")
    names = list(dict.fromkeys(rows["model"]))
    for name in names:
        made.add_column(name, justify="right")
    for _, fold in rows.groupby("fold"):
        own, one = fold.set_index("model")[metric], fold.iloc[0]
        span = f"{one['from']:%Y-%m-%d %H:%M}", f"{one['to']:%Y-%m-%d %H:%M}"
        made.add_row(*span, f"{one['origins']:,}", *(f"{own[name]:.3f}" for name in names))
    made.add_section()
    means = (np.average(own[metric], weights=own["origins"]) for own in (rows[rows["model"] == name] for name in names))
    made.add_row("all", "", f"{rows.drop_duplicates('fold')['origins'].sum():,}", *(f"{mean:.3f}" for mean in means))
    return made


def proposal_table(found: "Proposal") -> Table:
    """Lay out what `tidegate init` found of each variable."""
    own = found.dataset
    first, last = found.span
    title = f"{found.rows:,} rows of {found.stations} stations, each {own['frequency']}, {first:%Y-%m-%d %H:%M} to "
    made = Table(title=f"{title}{last:%Y-%m-%d %H:%M} UTC", title_justify="left")
    for name in ("variable", "column", "unit"):
        made.add_column(name)
    for name in ("missing", "least", "median", "most", "limits"):
        made.add_column(name, justify="right")
    made.add_column("looks like")
    for name, seen in found.measured.items():
        traits = [f"means missing: {', '.join(f'{value:g}' for value in seen.sentinels)}"] if seen.sentinels else []
        traits += ["rests at its floor"] if seen.floor is not None else []
        traits += ["the target"] if name in own["targets"] else []
        limits = f"{_number(seen.low)} to {_number(seen.high)}"
        numbers = [f"{seen.missing:.1%}", _number(seen.least), _number(seen.middle), _number(seen.most), limits]
        made.add_row(name, seen.column, seen.unit, *numbers, "; ".join(traits))
    return made


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def quarantine_table(rows: pd.DataFrame, title: str, shown: int | None = None) -> Table:
    """Lay out what is in quarantine, or the first rows of it."""
    made = Table(title=title, title_justify="left")
    for name in rows.columns:
        made.add_column(str(name), justify="right" if name in ("values", "value") else "left")
    for row in rows.head(shown or len(rows)).itertuples(index=False):
        made.add_row(*(_cell(cell) for cell in row))
    return made


def _cell(cell: object) -> str:
    if isinstance(cell, pd.Timestamp):
        return f"{cell:%Y-%m-%d %H:%M}"
    if isinstance(cell, float):
        return f"{cell:g}"
    return "" if cell is pd.NaT else f"{cell:,}" if isinstance(cell, int) else str(cell)


def classifier_table(rows: pd.DataFrame) -> Table:
    """Lay out the scores of classifiers of whole sequences, best first."""
    columns = {"accuracy": "accuracy", "macro_f1": "macro F1", **OF_ALERTS}
    made = Table()
    made.add_column("classifier", no_wrap=True)
    for heading in columns.values():
        made.add_column(heading, justify="right")
    for name, own in rows.sort_values("accuracy", ascending=False).iterrows():
        made.add_row(str(name), *(f"{own[key]:.3f}" for key in columns))
    return made


def _what(settings: Settings) -> str:
    names, alert = ", ".join(settings.dataset.targets), settings.window.alert
    if alert is None:
        return names
    side, limit = alert.side_and_limit
    return f"{names} {side} {limit:g} within {settings.window.horizon_steps} steps"


def _figure(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if key == "coverage" else f"{value:.3f}"


def champion_sentence() -> str:
    """Say in one sentence which model is champion now, and why."""
    decision = read_json(REGISTRATION)
    present = registry.champion(decision["model"])
    if present is None:
        return f"There is no champion: {decision['reason']}."
    whose = present.tags.get("tidegate.candidate", "?")
    return f"Champion: {decision['model']} version {present.version} ({whose}). Because: {decision['reason']}."


def _role(name: str, decision: dict[str, object]) -> str:
    if name != decision["candidate"] or not decision["registered"]:
        return ""
    return "champion" if decision["promoted"] else "challenger"


def _train_time(name: str) -> str:
    run_id = runs.find_run(name, identity.data_hash(), identity.folder_digest(MODELS / name))
    seconds = runs.train_seconds(run_id) if run_id else None
    return f"{seconds:.1f} s" if seconds is not None else "–"
