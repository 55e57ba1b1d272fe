"""Findings: what a rule found in a variable at a station, summed up, and whether that closes the gate."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tidegate.errors import GateClosed
from tidegate.quality.expectations import Outcome
from tidegate.quality.gate_rule import SCHEMA
from tidegate.quality.suite import CELL_RULES, RULE_BY_NAME, RuleSections
from tidegate.workspace.columns import ROW, RULE, STATION, SUBJECT, TIME, VALUE, VARIABLE
from tidegate.workspace.paths import DATA_DOCS, FINDINGS
from tidegate.workspace.settings import DurationRule

COLUMNS = [RULE, "severity", STATION, VARIABLE, "found", "share", "tolerated", "from", "to", "examples", "closes"]
EXAMPLES = 3
MINUTE = "%Y-%m-%d %H:%M"


def findings_of_cells(cells: pd.DataFrame, steps: "pd.Series[int]", rules: RuleSections) -> pd.DataFrame:
    """Sum up the cells that broke a rule; `steps` counts each station's steps."""
    findings = []
    parts: Any = cells.drop_duplicates([ROW, SUBJECT]).groupby([RULE, STATION, SUBJECT], sort=False)
    for (rule, station, subject), part in parts:
        examples = [f"{value:g} at {time:{MINUTE}}" for time, value in part[[TIME, VALUE]].head(EXAMPLES).to_numpy()]
        findings.append(
            _finding(rule, rules, station, subject, len(part), steps[station], part[TIME], examples)
        )  # fmt: skip
    return pd.DataFrame(findings, columns=COLUMNS)


def findings_of_series(
    frame: pd.DataFrame, outcomes: Sequence[Outcome], steps: "pd.Series[int]", rules: RuleSections
) -> pd.DataFrame:
    """Sum up what was found in whole series (station, time, the variables; or the rows of the network)."""
    findings = []
    for outcome in outcomes:
        if not outcome.rows or outcome.rule in (*CELL_RULES, SCHEMA):
            continue
        for station, part in frame.iloc[list(outcome.rows)].groupby(STATION, observed=True):
            times, examples = _span_and_examples(frame, part, outcome, str(station))
            count, of_steps = part[TIME].nunique(), int(steps[station])
            if outcome.rule == "missing":
                of_steps = _steps_from_first_value(frame, outcome, str(station))
            findings.append(
                _finding(outcome.rule, rules, str(station), outcome.subject, count, of_steps, times, examples)
            )
    return pd.DataFrame(findings, columns=COLUMNS)


def _steps_from_first_value(frame: pd.DataFrame, outcome: Outcome, station: str) -> int:
    rows = frame[frame[STATION] == station]
    valued = rows.loc[rows[outcome.subject].notna(), TIME]
    return int((rows[TIME] >= valued.min()).sum()) if len(valued) else len(rows)


def _span_and_examples(
    frame: pd.DataFrame, part: pd.DataFrame, outcome: Outcome, station: str
) -> tuple["pd.Series[pd.Timestamp]", list[str]]:
    """Give the times that a finding spans, and examples: of gaps the longest, of a silence up to the network's end."""
    if outcome.rule == "freshness":
        return pd.Series([part[TIME].min(), frame[TIME].max()]), [f"{part[TIME].min():{MINUTE}}"]
    if outcome.rule == "gap":
        valued = frame.loc[(frame[STATION] == station) & frame[outcome.subject].notna(), TIME].to_numpy()
        ends = part[TIME].to_numpy()
        begins = valued[np.searchsorted(valued, ends) - 1]
        longest = np.argsort(begins - ends, kind="stable")[:EXAMPLES]
        spans = [(pd.Timestamp(begins[row]), pd.Timestamp(ends[row])) for row in longest]
        return pd.Series(spans[0]), [f"{first:{MINUTE}} to {last:{MINUTE}}" for first, last in spans]
    return part[TIME], [f"{time:{MINUTE}}" for time in part[TIME].head(EXAMPLES)]


def _finding(
    rule: str,
    rules: RuleSections,
    station: str,
    subject: str,
    count: int,
    steps: int,
    times: "pd.Series[pd.Timestamp]",
    examples: Sequence[str],
) -> dict[str, object]:
    section = rules.of(rule)
    share = count / max(int(steps), 1)
    exceeded = share > section.tolerance if RULE_BY_NAME[rule].by_share else True
    tolerated = f"{section.steps} steps" if isinstance(section, DurationRule) else f"{section.tolerance:g}"
    first, last = times.min(), times.max()
    return {
        RULE: rule,
        "severity": section.severity,
        STATION: station,
        VARIABLE: subject,
        "found": count,
        "share": round(share, 6),
        "tolerated": tolerated,
        "from": f"{first:{MINUTE}}" if not pd.isna(first) else "",
        "to": f"{last:{MINUTE}}" if not pd.isna(last) else "",
        "examples": "; ".join(examples),
        "closes": bool(exceeded and section.severity != "warn"),
    }


def require_open(findings: pd.DataFrame, rules: RuleSections) -> None:
    """Refuse the data where a finding closes the gate; name the worst.

    Raises:
        GateClosed: with the rule, the station, the span, how many more there are, and what to do.
    """
    closing = findings[findings["closes"].astype(bool)]
    if closing.empty:
        return
    worst = closing.sort_values(["found"], ascending=False, kind="stable").iloc[0]
    others = len(closing) - 1
    more = f", and {others} more like it" if others else ""
    limit = "steps" if isinstance(rules.of(worst[RULE]), DurationRule) else "tolerance"
    raise GateClosed(
        f"The data gate is closed: {_sentence(worst)}, above {worst['tolerated']}{more}: see {FINDINGS} and "
        f"{DATA_DOCS}/index.html, then mend the source, or raise validate.rules.{worst[RULE]}.{limit}, or set its "
        "severity to warn, or leave the station out by dataset.stations.leave_out."
    )


def _sentence(finding: "pd.Series[Any]") -> str:
    return RULE_BY_NAME[finding[RULE]].sentence.format(
        rule=finding[RULE],
        found=finding["found"],
        share=finding["share"],
        where=f"{finding[VARIABLE]} at station {finding[STATION]}",
        span=f"from {finding['from']} to {finding['to']} UTC",
    )


def sorted_findings(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put findings together: those that close the gate first, then by severity and number."""
    findings = pd.concat([part for part in parts if len(part)] or [pd.DataFrame(columns=COLUMNS)], ignore_index=True)
    rank = findings["severity"].map({"fail": 0, "quarantine": 1, "warn": 2})
    order = np.lexsort(
        (findings[VARIABLE], findings[STATION], -findings["found"].astype(int), rank, ~findings["closes"].astype(bool))
    )
    return findings.iloc[order].reset_index(drop=True)
