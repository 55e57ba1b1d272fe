"""What the data gate holds back, and the decisions to take it back in.

A decision is a section of `validate.releases` in params.yaml, so it is seen, versioned and undone like any other
setting: which rule, where, when, and why.
"""

from collections.abc import Sequence
from datetime import date

import pandas as pd

from tidegate import frame as long_frame
from tidegate import gate
from tidegate.artifacts import QUARANTINE
from tidegate.errors import UserError
from tidegate.findings import RULE
from tidegate.frame import STATION, TIME
from tidegate.history import VALUE, VARIABLE
from tidegate.parsing import edited
from tidegate.settings import Release

SHOWN = 40


def summary() -> pd.DataFrame:
    """Count what is held back, by rule, station and variable, with its span."""
    held = long_frame.read(QUARANTINE)
    grouped = held.groupby([RULE, STATION, VARIABLE], sort=True)
    made = grouped.agg(values=(VALUE, "size"), first=(TIME, "min"), last=(TIME, "max"))
    return made.reset_index()


def of_station(station: str) -> pd.DataFrame:
    """Give all that is held back at a station, by time.

    Raises:
        UserError: nothing is.
    """
    held = long_frame.read(QUARANTINE)
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
        if rule not in gate.RELEASABLE:
            raise UserError(f"What {rule!r} holds back cannot be released; known: {', '.join(gate.RELEASABLE)}.")
    given = {key: value for key, value in where.items() if value is not None}
    today = date.today().isoformat()
    decisions = [Release(rule=rule, because=because, decided=today, **given) for rule in rules]
    held = long_frame.read(QUARANTINE)
    count = sum(int(gate.matches(held, decision).sum()) for decision in decisions)
    if not count:
        raise UserError(f"{QUARANTINE} holds nothing like that: tidegate quarantine list shows what it holds.")
    _write([decision.model_dump(exclude_none=True) for decision in decisions])
    return count


def _write(decisions: Sequence[dict[str, str]]) -> None:
    """Add decisions to params.yaml; comments and order stay."""
    with edited() as content:
        known = content["validate"].setdefault("releases", [])
        known.fa.set_block_style()
        known.extend(decisions)
