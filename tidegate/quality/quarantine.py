"""Quarantine: the cells that the data gate holds back, and the decisions to take them back in.

A decision is a section of `validate.releases` in params.yaml, so it is visible, versioned and undone like any other
setting: which rule, where, when, and why.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from tidegate.errors import UserError
from tidegate.measurements.frame import read_frame
from tidegate.quality.expectations import Outcome
from tidegate.quality.suite import CELL_RULES, rules_of, variables_of
from tidegate.workspace.columns import HELD_BACK, KEYS, ROW, RULE, STATION, SUBJECT, TIME, VALUE, VARIABLE
from tidegate.workspace.params import edit_params
from tidegate.workspace.paths import QUARANTINE
from tidegate.workspace.settings import Release, Settings, Validate

RELEASABLE = CELL_RULES[1:]  # all but off_grid: a row between the steps has no room among the clean rows
SHOWN = 40  # values of a station, in the terminal


def quarantined(rows: pd.DataFrame, outcomes: Sequence[Outcome], settings: Settings) -> pd.DataFrame:
    """Give every cell that broke a rule, once: rows as in quarantine, with `row`, `of`, and whether it is `held` back.

    A cell is put down to the first rule that holds it back, else to the first that it broke. A cell that a release
    takes back in did not break that rule; a rule that merely warns, or fails, holds no cell back.
    """
    rules = rules_of(settings.validate_)
    parts: list[pd.DataFrame] = []
    for outcome in sorted(outcomes, key=lambda outcome: _precedence(outcome.rule)):
        if not outcome.rows or outcome.rule not in CELL_RULES:
            continue
        names, broken = variables_of(outcome.rule, outcome.subject, settings.dataset.variables), np.array(outcome.rows)
        if outcome.rule == "relation":  # where one of the two is no measurement, nothing can be said of the other
            held = [part.loc[part[HELD_BACK] & part[VARIABLE].isin(names), ROW].to_numpy() for part in parts]
            broken = broken[~np.isin(broken, np.concatenate(held))] if held else broken
        for name in names:
            cells = rows.iloc[broken][[*KEYS, name]].set_axis([*KEYS, VALUE], axis=1)
            # A row between the steps has no room among the clean rows, whatever its severity.
            is_held = outcome.rule == "off_grid" or rules.of(outcome.rule).severity == "quarantine"
            labels: dict[str, Any] = {VARIABLE: name, RULE: outcome.rule, ROW: broken, SUBJECT: outcome.subject}
            cells = cells.assign(**labels, **{HELD_BACK: is_held}).dropna(subset=VALUE)
            parts.append(cells[~released(cells, settings.validate_)])
    if not parts:
        return pd.DataFrame(columns=[*KEYS, VALUE, VARIABLE, RULE, ROW, SUBJECT, HELD_BACK])
    cells = pd.concat(parts, ignore_index=True)
    first = cells.sort_values(HELD_BACK, ascending=False, kind="stable").drop_duplicates([ROW, VARIABLE])
    return first.sort_index().reset_index(drop=True)


def _precedence(rule: str) -> int:
    return CELL_RULES.index(rule) if rule in CELL_RULES else len(CELL_RULES)


def released(cells: pd.DataFrame, validate: Validate) -> "pd.Series[bool]":
    """Mark the cells that a release takes back in."""
    flags = pd.Series(False, index=cells.index)
    for release in validate.releases:
        flags |= matches(cells, release)
    return flags


def matches(cells: pd.DataFrame, release: Release) -> "pd.Series[bool]":
    """Mark the cells that a release is about."""
    first, last = release.span
    flags = cells[RULE] == release.rule
    if release.station is not None:
        flags &= cells[STATION] == release.station
    if release.variable is not None:
        flags &= cells[VARIABLE] == release.variable
    if first is not None:
        flags &= cells[TIME] >= first
    return flags if last is None else flags & (cells[TIME] <= last)


def check_releases(validate: Validate) -> None:
    """Refuse a release of a rule whose cells cannot come back.

    Raises:
        UserError: there is one.
    """
    for release in validate.releases:
        if release.rule not in RELEASABLE:
            raise UserError(
                f"What {release.rule} holds back cannot be released; known: {', '.join(RELEASABLE)}: take it out of "
                "validate.releases."
            )


def quarantine_summary() -> pd.DataFrame:
    """Count what is held back, by rule, station and variable, with its span."""
    held = read_frame(QUARANTINE)
    grouped = held.groupby([RULE, STATION, VARIABLE], sort=True)
    counts = grouped.agg(values=(VALUE, "size"), first=(TIME, "min"), last=(TIME, "max"))
    return counts.reset_index()


def quarantine_of_station(station: str) -> pd.DataFrame:
    """Give all that is held back at a station, by time.

    Raises:
        UserError: nothing is.
    """
    held = read_frame(QUARANTINE)
    cells = held[held[STATION] == station]
    if cells.empty:
        some = ", ".join(sorted(held[STATION].unique())[:10]) or "none"
        raise UserError(f"Nothing of station {station!r} is in quarantine; stations with something there: {some}.")
    return cells.sort_values([TIME, VARIABLE], ignore_index=True)


def release(rules: Sequence[str], because: str, **where: str | None) -> int:
    """Write a decision for each rule into params.yaml; count the values that the next run takes back in.

    Raises:
        UserError: there is no such rule, what it holds back cannot come back, or nothing is held back there.
    """
    for rule in rules:
        if rule not in RELEASABLE:
            raise UserError(f"What {rule!r} holds back cannot be released; known: {', '.join(RELEASABLE)}.")
    limits = {key: value for key, value in where.items() if value is not None}
    today = date.today().isoformat()
    decisions = [Release(rule=rule, because=because, decided=today, **limits) for rule in rules]
    held = read_frame(QUARANTINE)
    count = sum(int(matches(held, decision).sum()) for decision in decisions)
    if not count:
        raise UserError(f"{QUARANTINE} holds nothing like that: tidegate quarantine list shows what it holds.")
    _write([decision.model_dump(exclude_none=True) for decision in decisions])
    return count


def _write(decisions: Sequence[dict[str, str]]) -> None:
    """Add decisions to params.yaml; comments and order stay."""
    with edit_params() as content:
        releases = content["validate"].setdefault("releases", [])
        releases.fa.set_block_style()
        releases.extend(decisions)
