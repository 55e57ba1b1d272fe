"""The report of a run, reports/report.html: whether it can be trusted, in a sentence, and all that this rests on.

It is drawn from what the stages wrote, from issued and verified forecasts and from the registry, whenever it is asked
for. Of what is not there yet it says what makes it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import models
from tidegate.errors import UserError
from tidegate.evaluation.colours import colours_of
from tidegate.evaluation.score_table import ScoreTable, score_cell
from tidegate.quality.suite import RULES, rules_of
from tidegate.reporting import decision, evaluation, forecasts
from tidegate.reporting.page import write_page
from tidegate.verification.files import read_days
from tidegate.verification.summary import summary, totals
from tidegate.verification.verified import STANDING
from tidegate.workspace import clock
from tidegate.workspace.paths import (
    EVALUATION,
    FORECAST_PAGE,
    FORECASTS,
    REGISTRATION,
    REPORT,
    VALIDATION,
    WINDOWS,
    read_json,
)
from tidegate.workspace.settings import Settings

SHOWN_ROWS = 20
WHEN = "%Y-%m-%d %H:%M"
Chain = Sequence[tuple[str, str, str]]  # kind, name and facts of each part


def write_report(settings: Settings, chain: Chain, stopped: str = "", stale: Sequence[str] = ()) -> Path:
    """Write the report; give its path.

    Args:
        settings: of the workspace.
        chain: where the champion comes from and what came of it; empty without a champion.
        stopped: why the run has stopped, if it has.
        stale: stages that are not up to date.

    Raises:
        ServiceError: MLflow does not answer.
    """
    moves = decision.champions(settings)
    baseline = models.baseline_of(settings.models, settings.window)
    scores = read_json(EVALUATION / "metrics.json") if (EVALUATION / "metrics.json").exists() else {}
    colours = colours_of([*settings.models, *(name for name in scores if name not in settings.models)], baseline)
    facts = {
        "name": settings.register_.name,
        "made": f"{clock.now():{WHEN}} UTC",
        "verdict": decision.verdict(settings, stopped, stale),
        "registration": read_json(REGISTRATION) if REGISTRATION.exists() else None,
        "evidence": [(rule, "yes" if met else "no", figures) for rule, met, figures in decision.evidence()],
        "scores": _score_table(settings, scores, baseline, colours),
        "spans": _spans(),
        "evaluation": evaluation.sections(settings, scores, baseline, colours),
        "quality": _quality(settings),
        "moves": [(entry, f"{entry.time:{WHEN}}") for entry in moves],
        "changes": decision.changes(settings, moves),
        "issued": _issued(settings, moves[0].version if moves else ""),
        "verified": _verified(),
        "chain": list(chain),
    }
    return write_page(REPORT, "report.html", facts)


def _score_table(
    settings: Settings, scores: dict[str, dict[str, float]], baseline: str, colours: dict[str, str]
) -> dict[str, Any]:
    """Tabulate the candidates' test scores, best first."""
    table = ScoreTable.of(settings, scores)
    rows = [
        {"name": name, "colour": colours[name], "baseline": name == baseline, "cells": cells}
        for name, cells in table.rows.items()
    ]
    return {"headings": table.headings, "rows": rows, "ranked_by": settings.evaluate.metric}


def _spans() -> list[tuple[str, str, str, str]]:
    """List the spans of the data: name, first and last time of the targets, and how many windows."""
    path = WINDOWS / "proof.json"
    proof = read_json(path) if path.exists() else {}
    return [
        (name, proof[name]["targets_from"][:16], proof[name]["targets_to"][:16], f"{proof[name]['windows']:,}")
        for name in ("train", "validation", "test")
        if name in proof
    ]


def _quality(settings: Settings) -> dict[str, Any] | None:
    """Say what each rule of the data gate has found; None before the first validation."""
    if not VALIDATION.exists():
        return None
    counts, sections = read_json(VALIDATION), rules_of(settings.validate_)
    closing = decision.closing_findings()
    rows = []
    for rule in RULES:
        section, places = sections.of(rule.name), counts["findings"].get(rule.name, 0)
        held = counts["quarantined"].get(rule.name, 0)
        said = f"{held:,} values in quarantine" if held else "found, and noted" if places else "nothing found"
        if any(part.startswith(f"{rule.name} at") for part in closing.split("; ")):
            said += "; it closes the gate"
        said += f" ({places:,} findings)" if places else ""
        rows.append((rule.name, said, section.severity, rule.finds.replace("`", "")))
    return {"rows": rows, "values": counts["values"], "stations": counts["stations"], "closing": closing}


def _issued(settings: Settings, champion: str) -> dict[str, Any] | None:
    """Describe the champion's newest forecasts; None if it has issued none."""
    folder = FORECASTS / f"{settings.register_.name}-v{champion}"
    if not champion or not any(folder.glob("*.parquet")):
        return None
    facts = forecasts.latest(settings, folder)
    several = len({chart["variable"] for chart in facts["charts"]}) > 1
    rows = [
        (f"{chart['station']}, {chart['variable']}" if several else chart["station"],
         chart["said"].removeprefix("Newest forecast: "), chart["baseline"] or "–")
        for chart in facts["charts"]
    ]  # fmt: skip
    return {"heading": facts["heading"], "by": facts["by"], "rows": rows[:SHOWN_ROWS], "more": rows[SHOWN_ROWS:],
            "page": FORECAST_PAGE.exists()}  # fmt: skip


def _verified() -> dict[str, Any] | None:
    """Say how issued forecasts did, by version and by day; None if none has met its measurement."""
    try:
        rows, days = summary(), read_days()
    except UserError:
        return None
    rows = rows[rows["issue"] == STANDING]
    days = days[days["issue"] == STANDING]
    if rows.empty or not rows["verified"].sum():
        return None
    by_day = pd.DataFrame([{"day": day, "skill": totals(part)["skill"]} for day, part in days.groupby("day")]).dropna()
    shares = ("skill", "coverage", "adapted_coverage")
    table = []
    for _, row in rows.iterrows():
        counts = (f"{row['verified']:,}", f"{row['missing'] + row['quarantined']:,}")
        cells = (score_cell(row[name], True) for name in shares)
        table.append((f"{row['model']} version {row['version']}", *counts, *cells))
    return {"rows": table, "figure": evaluation.day_figure(by_day) if len(by_day) else None}
