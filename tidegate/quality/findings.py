"""What a rule found in a variable at a station, summed up, and whether that closes the gate."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tidegate.errors import GateClosed
from tidegate.quality.expectations import Outcome
from tidegate.workspace.columns import RULE, STATION, TIME, VALUE, VARIABLE
from tidegate.workspace.paths import DATA_DOCS, FINDINGS
from tidegate.workspace.settings import DurationRule, Rules, Validate

ALL_VARIABLES = "*"
SCHEMA = "schema"
CELL_RULES = ("off_grid", "sentinel", "range", "relation", "stuck", "spike")  # in the order of precedence
COLUMNS = [RULE, "severity", STATION, VARIABLE, "found", "share", "tolerated", "from", "to", "examples", "closes"]
EXAMPLES = 3


def findings_of_cells(cells: pd.DataFrame, steps: "pd.Series[int]", rules: Rules) -> pd.DataFrame:
    """Sum up quarantined cells; `steps` counts each station's steps."""
    made = []
    parts: Any = cells.drop_duplicates(["row", "of"]).groupby([RULE, STATION, "of"], sort=False)
    for (rule, station, of), part in parts:
        examples = [
            f"{value:g} at {time:%Y-%m-%d %H:%M}" for time, value in part[[TIME, VALUE]].head(EXAMPLES).to_numpy()
        ]
        made.append(_finding(rule, rules, station, of, len(part), steps[station], part[TIME], examples))
    return pd.DataFrame(made, columns=COLUMNS)


def findings_of_series(
    frame: pd.DataFrame, outcomes: Sequence[Outcome], steps: "pd.Series[int]", rules: Rules
) -> pd.DataFrame:
    """Sum up what was found in whole series (station, time, the variables; or the rows of the network)."""
    made = []
    for outcome in outcomes:
        if not outcome.rows or outcome.rule in (*CELL_RULES, SCHEMA):
            continue
        for station, part in frame.iloc[list(outcome.rows)].groupby(STATION, observed=True):
            times, examples = _told(frame, part, outcome, str(station))
            found, of = part[TIME].nunique(), int(steps[station])
            if outcome.rule == "missing":
                of = _steps_from_first_value(frame, outcome, str(station))
            made.append(_finding(outcome.rule, rules, str(station), outcome.variable, found, of, times, examples))
    return pd.DataFrame(made, columns=COLUMNS)


def _steps_from_first_value(frame: pd.DataFrame, outcome: Outcome, station: str) -> int:
    own = frame[frame[STATION] == station]
    valued = own.loc[own[outcome.variable].notna(), TIME]
    return int((own[TIME] >= valued.min()).sum()) if len(valued) else len(own)


def _told(
    frame: pd.DataFrame, part: pd.DataFrame, outcome: Outcome, station: str
) -> tuple["pd.Series[pd.Timestamp]", list[str]]:
    """Give the times that a finding spans, and examples: of gaps the longest, of a silence to the network's end."""
    if outcome.rule == "freshness":
        return pd.Series([part[TIME].min(), frame[TIME].max()]), [f"{part[TIME].min():%Y-%m-%d %H:%M}"]
    if outcome.rule == "gap":
        own = frame.loc[(frame[STATION] == station) & frame[outcome.variable].notna(), TIME]
        ends = part[TIME].to_numpy()
        begins = own.to_numpy()[np.searchsorted(own.to_numpy(), ends) - 1]
        longest = np.argsort(begins - ends, kind="stable")[:EXAMPLES]
        spans = [(pd.Timestamp(begins[place]), pd.Timestamp(ends[place])) for place in longest]
        return pd.Series(spans[0]), [f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}" for first, last in spans]
    return part[TIME], [f"{time:%Y-%m-%d %H:%M}" for time in part[TIME].head(EXAMPLES)]


def _finding(
    rule: str,
    rules: Rules,
    station: str,
    variable: str,
    found: int,
    steps: int,
    times: "pd.Series[pd.Timestamp]",
    examples: Sequence[str],
) -> dict[str, object]:
    own = rules.of(rule)
    share = found / max(int(steps), 1)
    # A rule about a length of time, or about a whole series, has tolerated in its own terms before it found anything.
    exceeded = share > own.tolerance if rule in CELL_RULES or rule in ("clock_change", "revision") else True
    tolerated = f"{own.steps} steps" if isinstance(own, DurationRule) else f"{own.tolerance:g}"
    first, last = times.min(), times.max()
    return {
        RULE: rule,
        "severity": own.severity,
        STATION: station,
        VARIABLE: variable,
        "found": found,
        "share": round(share, 6),
        "tolerated": tolerated,
        "from": f"{first:%Y-%m-%d %H:%M}" if not pd.isna(first) else "",
        "to": f"{last:%Y-%m-%d %H:%M}" if not pd.isna(last) else "",
        "examples": "; ".join(examples),
        "closes": bool(exceeded and own.severity != "warn"),
    }


def require_open(findings: pd.DataFrame, validate: Validate) -> None:
    """Refuse the data where a finding closes the gate; name the worst.

    Raises:
        GateClosed: with the rule, the station, the span, how many more there are, and what to do.
    """
    closing = findings[findings["closes"].astype(bool)]
    if closing.empty:
        return
    worst = closing.sort_values(["found"], ascending=False, kind="stable").iloc[0]
    others = len(closing) - 1
    lasting = isinstance(validate.rules.of(worst[RULE]), DurationRule)
    more = f", and {others} more like it" if others else ""
    raise GateClosed(
        f"The data gate is closed: {_said(worst)}, above {worst['tolerated']}{more}: see {FINDINGS} and "
        f"{DATA_DOCS}/index.html, then mend the source, or raise "
        f"validate.rules.{worst[RULE]}.{'steps' if lasting else 'tolerance'}, or set its severity to warn."
    )


def _said(finding: "pd.Series[Any]") -> str:
    where = f"{finding[VARIABLE]} at station {finding[STATION]}"
    span = f"from {finding['from']} to {finding['to']} UTC"
    if finding[RULE] == "gap":
        return f"gap: {where} has no value {span}"
    if finding[RULE] == "freshness":
        return f"freshness: {where} is silent {span}"
    return f"{finding[RULE]}: {finding['found']} rows of {where}, a share of {finding['share']:.4g}, {span}"


def sorted_findings(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put findings together: those that close the gate first, then by severity and weight."""
    every = pd.concat([part for part in parts if len(part)] or [pd.DataFrame(columns=COLUMNS)], ignore_index=True)
    rank = every["severity"].map({"fail": 0, "quarantine": 1, "warn": 2})
    order = np.lexsort(
        (every[VARIABLE], every[STATION], -every["found"].astype(int), rank, ~every["closes"].astype(bool))
    )
    return every.iloc[order].reset_index(drop=True)
