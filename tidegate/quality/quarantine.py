"""Which cells the data gate holds back, and the decisions to take them back in."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from tidegate.errors import UserError
from tidegate.measurements import frame as long_frame
from tidegate.quality.expectations import Outcome
from tidegate.quality.findings import ALL_VARIABLES, CELL_RULES
from tidegate.workspace.columns import KEYS, RULE, STATION, TIME, VALUE, VARIABLE
from tidegate.workspace.params import edit_params
from tidegate.workspace.paths import QUARANTINE
from tidegate.workspace.settings import Release, Settings, Validate

RELEASABLE = CELL_RULES[1:]


def variables_of(outcome: Outcome, known: Sequence[str]) -> list[str]:
    """Name the variables whose cells an outcome is about."""
    if outcome.variable == ALL_VARIABLES:
        return list(known)
    return outcome.variable.split(" <= ") if outcome.rule == "relation" else [outcome.variable]


def quarantined(rows: pd.DataFrame, outcomes: Sequence[Outcome], settings: Settings) -> pd.DataFrame:
    """Give every cell that broke a rule, once: rows as in quarantine, with `row`, `of`, and whether it is `held` back.

    A cell is put down to the first rule that holds it back, else to the first that it broke. What a release takes back
    in was not broken by that rule; what a rule merely warns of, or fails for, is not held back.
    """
    known, rules = list(settings.dataset.variables), settings.validate_.rules
    parts: list[pd.DataFrame] = []
    for outcome in sorted(outcomes, key=lambda outcome: _precedence(outcome.rule)):
        if not outcome.rows or outcome.rule not in CELL_RULES:
            continue
        names, broken = variables_of(outcome, known), np.array(outcome.rows)
        if outcome.rule == "relation":  # where one of the two is no measurement, nothing is said of the other
            held = [part.loc[part["held"] & part[VARIABLE].isin(names), "row"].to_numpy() for part in parts]
            broken = broken[~np.isin(broken, np.concatenate(held))] if held else broken
        bad = rows.iloc[broken]
        for name in names:
            cells = bad[[*KEYS, name]].set_axis([*KEYS, VALUE], axis=1)
            named: dict[str, Any] = {VARIABLE: name, RULE: outcome.rule, "row": broken, "of": outcome.variable}
            # What lies between the steps has no place among the clean rows, whatever is done about it.
            named["held"] = outcome.rule == "off_grid" or rules.of(outcome.rule).severity == "quarantine"
            cells = cells.assign(**named).dropna(subset=VALUE)
            parts.append(cells[~released(cells, settings.validate_)])
    if not parts:
        return pd.DataFrame(columns=[*KEYS, VALUE, VARIABLE, RULE, "row", "of", "held"])
    every = pd.concat(parts, ignore_index=True)
    first = every.sort_values("held", ascending=False, kind="stable").drop_duplicates(["row", VARIABLE])
    return first.sort_index().reset_index(drop=True)


def _precedence(rule: str) -> int:
    return CELL_RULES.index(rule) if rule in CELL_RULES else len(CELL_RULES)


def released(cells: pd.DataFrame, validate: Validate) -> "pd.Series[bool]":
    """Mark the cells that a release takes back in."""
    marks = pd.Series(False, index=cells.index)
    for release in validate.releases:
        marks |= matches(cells, release)
    return marks


def matches(cells: pd.DataFrame, release: Release) -> "pd.Series[bool]":
    """Mark the cells that a release is about."""
    first, last = release.span
    marks = cells[RULE] == release.rule
    if release.station is not None:
        marks &= cells[STATION] == release.station
    if release.variable is not None:
        marks &= cells[VARIABLE] == release.variable
    if first is not None:
        marks &= cells[TIME] >= first
    return marks if last is None else marks & (cells[TIME] <= last)


def check_releases(validate: Validate) -> None:
    """See that each release is of a rule whose cells can come back.

    Raises:
        UserError: one is not.
    """
    for release in validate.releases:
        if release.rule not in RELEASABLE:
            raise UserError(
                f"What {release.rule} holds back cannot be released; known: {', '.join(RELEASABLE)}: take it out of "
                "validate.releases."
            )


SHOWN = 40


def quarantine_summary() -> pd.DataFrame:
    """Count what is held back, by rule, station and variable, with its span."""
    held = long_frame.read_frame(QUARANTINE)
    grouped = held.groupby([RULE, STATION, VARIABLE], sort=True)
    made = grouped.agg(values=(VALUE, "size"), first=(TIME, "min"), last=(TIME, "max"))
    return made.reset_index()


def quarantine_of_station(station: str) -> pd.DataFrame:
    """Give all that is held back at a station, by time.

    Raises:
        UserError: nothing is.
    """
    held = long_frame.read_frame(QUARANTINE)
    own = held[held[STATION] == station]
    if own.empty:
        some = ", ".join(sorted(held[STATION].unique())[:10]) or "none"
        raise UserError(f"Nothing of station {station!r} is in quarantine; stations with something there: {some}.")
    return own.sort_values([TIME, VARIABLE], ignore_index=True)


def release(rules: Sequence[str], because: str, **where: str | None) -> int:
    """Write a decision for each rule into params.yaml; count the values that the next run takes back in.

    Raises:
        UserError: there is no such rule, what it holds back cannot come back, or nothing is held back there.
    """
    for rule in rules:
        if rule not in RELEASABLE:
            raise UserError(f"What {rule!r} holds back cannot be released; known: {', '.join(RELEASABLE)}.")
    given = {key: value for key, value in where.items() if value is not None}
    today = date.today().isoformat()
    decisions = [Release(rule=rule, because=because, decided=today, **given) for rule in rules]
    held = long_frame.read_frame(QUARANTINE)
    count = sum(int(matches(held, decision).sum()) for decision in decisions)
    if not count:
        raise UserError(f"{QUARANTINE} holds nothing like that: tidegate quarantine list shows what it holds.")
    _write([decision.model_dump(exclude_none=True) for decision in decisions])
    return count


def _write(decisions: Sequence[dict[str, str]]) -> None:
    """Add decisions to params.yaml; comments and order stay."""
    with edit_params() as content:
        known = content["validate"].setdefault("releases", [])
        known.fa.set_block_style()
        known.extend(decisions)
