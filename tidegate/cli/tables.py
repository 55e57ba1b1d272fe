"""Results as tables for the console."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.table import Table

from tidegate.evaluation.metrics import metrics_of
from tidegate.evaluation.score_table import ScoreTable
from tidegate.tracking import registry, runs
from tidegate.workspace import identity
from tidegate.workspace.paths import EVALUATION, MODELS, REGISTRATION, read_json
from tidegate.workspace.settings import Settings

COVERAGE_TOLERANCE = 0.02

if TYPE_CHECKING:
    from tidegate.onboarding.proposal import Proposal
    from tidegate.verification.watch import Change


def score_table(settings: Settings) -> Table:
    """Tabulate the candidates with their test scores, best first, with the registered candidate's role."""
    scores = ScoreTable.of(settings, read_json(EVALUATION / "metrics.json"))
    decision = read_json(REGISTRATION)
    table = Table(title=f"Test span, all stations: {_targets(settings)}", title_justify="left")
    table.add_column("candidate", no_wrap=True)
    for heading in (*scores.headings, "train time"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for name, cells in scores.rows.items():
        table.add_row(name, *cells, _train_time(name), _role(name, decision))
    return table


def coverage_remark(settings: Settings) -> str:
    """Say which candidates' outermost quantiles hold less or more than they promise; nothing where none do."""
    levels = settings.window.quantiles
    promised = levels[-1] - levels[0]
    scores = read_json(EVALUATION / "metrics.json")
    held = {name: of_candidate.get("coverage", promised) for name, of_candidate in scores.items()}
    off = [f"{name} {share:.1%}" for name, share in held.items() if abs(share - promised) > COVERAGE_TOLERANCE]
    return f"{promised:.0%} intervals held on the test span: {', '.join(off)}. Read them so." if off else ""


def change_table(changes: "Sequence[Change]") -> Table:
    """Tabulate lasting changes for the worse."""
    table = Table(title="Changed for the worse", title_justify="left")
    for heading in ("station", "what", "since", "certain on", "figures"):
        table.add_column(heading, no_wrap=heading in ("since", "certain on"))
    for change in changes:
        table.add_row(change.station, change.kind, change.since, change.raised, change.figures)
    return table


def champion_table(rows: pd.DataFrame, name: str) -> Table:
    """Tabulate the champions of a registered model, the present one first."""
    table = Table(title=f"Champions of {name}, times in UTC", title_justify="left", show_lines=True)
    for heading in ("version", "candidate", "from", "until"):
        table.add_column(heading, no_wrap=True)
    table.add_column("because, and who asked")
    for _, row in rows[::-1].iterrows():
        until = "now" if pd.isna(row["until"]) else f"{row['until']:%Y-%m-%d %H:%M}"
        why = f"{row['because']} ({row['by']})"
        table.add_row(row["version"], row["candidate"], f"{row['from']:%Y-%m-%d %H:%M}", until, why)
    return table


def reign_table(rows: pd.DataFrame) -> Table:
    """Tabulate the champions of a replay, the first one first, with how their forecasts did."""
    table = Table(title="Champions of the replay", title_justify="left")
    for heading in ("version", "candidate", "from", "until"):
        table.add_column(heading, no_wrap=True)
    shares = {"skill": "skill", "coverage": "intervals hold", "adapted_coverage": "adapted ones"}
    for heading in ("forecasts", *shares.values()):
        table.add_column(heading, justify="right")
    for _, row in rows.iterrows():
        span = [f"{row[end]:%Y-%m-%d}" for end in ("from", "until")]
        cells = ["–" if pd.isna(row[name]) else f"{row[name]:.1%}" for name in shares]
        count = "–" if pd.isna(row["verified"]) else f"{row['verified']:,.0f}"
        table.add_row(row["version"], row["candidate"], *span, count, *cells)
    return table


def verification_table(rows: pd.DataFrame, by: str) -> Table:
    """Tabulate how issued forecasts did; losses are absolute errors, of alerts squared errors of probabilities."""
    table = Table(title="Issued forecasts against what was measured", title_justify="left")
    counts = dict.fromkeys(("verified", "missing", "quarantined", "corrected"), "{:,.0f}")
    shares = dict.fromkeys(("skill", "coverage", "adapted_coverage"), "{:.1%}")
    losses = dict.fromkeys(("loss", "naive_loss", "nse", "kge"), "{:.3f}")
    shown = {name: text for name, text in {**counts, **shares, **losses}.items() if name in rows}
    shorter = {"quarantined": "held back", "adapted_coverage": "adapted"}
    several = rows["model"].nunique() > 1
    for name in ("version", "issue") if by == "version" else ("version", by):
        table.add_column(name)
    for name in shown:
        table.add_column(shorter.get(name, name.replace("_", " ")), justify="right")
    for _, row in rows.iterrows():
        last = row["issue"] if by == "version" else row[by]
        label = f"{last:%Y-%m-%d}" if by == "day" else str(last)
        cells = ["–" if pd.isna(row[name]) else text.format(row[name]) for name, text in shown.items()]
        table.add_row(f"{row['model']} {row['version']}" if several else row["version"], label, *cells)
    return table


def backtest_table(rows: pd.DataFrame, settings: Settings) -> Table:
    """Tabulate a backtest: the ranking metric of each candidate in each fold, and its mean over all origins."""
    metric = settings.evaluate.metric
    table = Table(title=f"Backtest, {metric}: {_targets(settings)}", title_justify="left")
    table.add_column("from")
    table.add_column("to")
    table.add_column("origins", justify="right")
    names = list(dict.fromkeys(rows["model"]))
    for name in names:
        table.add_column(name, justify="right")
    for _, fold in rows.groupby("fold"):
        scores, first_row = fold.set_index("model")[metric], fold.iloc[0]
        span = f"{first_row['from']:%Y-%m-%d %H:%M}", f"{first_row['to']:%Y-%m-%d %H:%M}"
        table.add_row(*span, f"{first_row['origins']:,}", *(f"{scores[name]:.3f}" for name in names))
    table.add_section()
    by_model = [rows[rows["model"] == name] for name in names]
    means = [np.average(model_rows[metric], weights=model_rows["origins"]) for model_rows in by_model]
    table.add_row("all", "", f"{rows.drop_duplicates('fold')['origins'].sum():,}", *(f"{mean:.3f}" for mean in means))
    return table


def proposal_table(proposal: "Proposal") -> Table:
    """Tabulate what `tidegate init` proposes for each variable."""
    dataset = proposal.dataset
    first, last = proposal.span
    size = f"{proposal.rows:,} rows of {proposal.stations} stations, each {dataset['frequency']}"
    table = Table(title=f"{size}, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC", title_justify="left")
    for name in ("variable", "column", "unit"):
        table.add_column(name)
    for name in ("missing", "least", "median", "most", "limits"):
        table.add_column(name, justify="right")
    table.add_column("looks like")
    for name, profile in proposal.profiles.items():
        sentinels = ", ".join(f"{value:g}" for value in profile.sentinels)
        traits = [f"means missing: {sentinels}"] if sentinels else []
        traits += ["a class or a flag"] if profile.is_category else []
        traits += ["rests at its floor"] if profile.floor is not None else []
        traits += ["the target"] if name in dataset["targets"] else []
        limits = f"{_number(profile.low)} to {_number(profile.high)}"
        numbers = [
            f"{profile.missing:.1%}",
            _number(profile.least),
            _number(profile.middle),
            _number(profile.most),
            limits,
        ]
        table.add_row(name, profile.column, profile.unit, *numbers, "; ".join(traits))
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def quarantine_table(rows: pd.DataFrame, title: str, shown: int | None = None) -> Table:
    """Tabulate rows of the quarantine: all of them, or the first `shown`."""
    table = Table(title=title, title_justify="left")
    for name in rows.columns:
        table.add_column(str(name), justify="right" if name in ("values", "value") else "left")
    for row in rows.head(shown or len(rows)).itertuples(index=False):
        table.add_row(*(_cell(cell) for cell in row))
    return table


def _cell(cell: object) -> str:
    if isinstance(cell, pd.Timestamp):
        return f"{cell:%Y-%m-%d %H:%M}"
    if isinstance(cell, float):
        return f"{cell:g}"
    return "" if cell is pd.NaT else f"{cell:,}" if isinstance(cell, int) else str(cell)


def classifier_table(rows: pd.DataFrame) -> Table:
    """Tabulate the scores of classifiers of whole sequences, best first."""
    metrics = metrics_of("classes")
    columns = {name: metrics[name].label for name in ("accuracy", *metrics)}  # first what the rows are sorted by
    table = Table()
    table.add_column("classifier", no_wrap=True)
    for heading in columns.values():
        table.add_column(heading, justify="right")
    for name, row in rows.sort_values("accuracy", ascending=False).iterrows():
        table.add_row(str(name), *(f"{row[key]:.3f}" for key in columns))
    return table


def _targets(settings: Settings) -> str:
    names, alert = ", ".join(settings.dataset.targets), settings.window.alert
    if alert is None:
        return names
    side, limit = alert.side_and_limit
    return f"{names} {side} {limit:g} within {settings.window.horizon_steps} steps"


def champion_sentence() -> str:
    """Say in one sentence which model is the champion, and why."""
    decision = read_json(REGISTRATION)
    champion = registry.champion(decision["model"])
    if champion is None:
        return f"There is no champion: {decision['reason']}."
    candidate = champion.tags.get("tidegate.candidate", "?")
    named = f"Champion: {decision['model']} version {champion.version} ({candidate})"
    if str(champion.version) == str(decision["version"]):
        return f"{named}. Because: {decision['reason']}."
    return f"{named}, as before: {decision['reason']}."


def _role(name: str, decision: dict[str, object]) -> str:
    if name != decision["candidate"] or not decision["registered"]:
        return ""
    return "champion" if decision["promoted"] else "challenger"


def _train_time(name: str) -> str:
    run_id = runs.find_run(name, identity.data_hash(), identity.folder_digest(MODELS / name))
    seconds = runs.train_seconds(run_id) if run_id else None
    return f"{seconds:.1f} s" if seconds is not None else "–"
