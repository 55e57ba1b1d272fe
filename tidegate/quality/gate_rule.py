"""What a rule of the data gate is, and the arguments that rules take from the settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from tidegate.quality.sorted_rows import Flags
from tidegate.workspace.columns import KEYS, STANDING, VALUE
from tidegate.workspace.dataset import Dataset
from tidegate.workspace.paths import ACCEPTED, DATA
from tidegate.workspace.settings import Rule

ALL_VARIABLES = "*"
SCHEMA = "schema"  # what data/ must be, whatever params.yaml says

Phase = Literal["keys", "rows", "series", "revisions", "network"]


@dataclass(frozen=True)
class Checked:
    """What a rule's arguments may depend on."""

    dataset: Dataset
    settings: Any  # the rule's own section of validate.rules
    offset: int = 0  # of the grid, in microseconds
    until: pd.Timestamp | None = None  # the newest time of the network


@dataclass(frozen=True)
class Expected:
    """An expectation of the data gate: of which rule, about what, and its arguments."""

    rule: str
    subject: str  # a variable, a relation, or "*" for all variables
    expectation: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class GateRule:
    """A rule of the data gate."""

    name: str
    phase: Phase  # what it is checked on: stations and times, rows on the grid, clean series, revisions, the network
    subjects: Literal["all", "variables", "relations"]
    settings: Rule  # its section of validate.rules, with the defaults
    finds: str  # for docs/data.md: what it finds
    expectation: str  # the name of its class, one of ours or of Great Expectations
    # The expectation's arguments for a subject; None where the data set does not ask for the rule.
    arguments: Callable[[Checked, str], dict[str, Any] | None]
    set_at: str = ""  # for docs/data.md: the options that set it, besides severity and tolerance
    marks: Callable[..., Flags] | None = None  # of an expectation of ours: the function that marks what breaks the rule
    expects: str = ""  # and its docstring, which Data Docs show
    holds_cells: bool = False  # finds single cells, which quarantine can hold back
    by_share: bool = False  # tolerance is a share of a station's steps; else the expectation has applied it already
    sentence: str = "{rule}: {found} rows of {where}, a share of {share:.4g}, {span}"  # of a closed gate


def columns_of(variable: str) -> dict[str, Any]:
    """Give the columns of a series: station, time, value."""
    return {"column_list": [*KEYS, variable]}


def relation(checked: Checked, subject: str) -> dict[str, Any]:
    """Give the two variables of a relation such as "DEWP <= TEMP"."""
    less, more = subject.split(" <= ")
    return {"column_A": more, "column_B": less, "or_equal": True, "ignore_row_if": "either_value_is_missing"}


def sentinels(checked: Checked, variable: str) -> dict[str, Any] | None:
    """Give the values that mean "missing" in a variable, if there are any."""
    values = checked.dataset.sentinels_of(variable)
    return {"column": variable, "value_set": list(values)} if values else None


def limits(checked: Checked, variable: str) -> dict[str, Any] | None:
    """Give the physical limits of a variable, if it has any."""
    described = checked.dataset.variables[variable]
    if described.min is None and described.max is None:
        return None
    return {"column": variable, "min_value": described.min, "max_value": described.max}


def if_set(option: str, **names: str) -> Callable[[Checked, str], dict[str, Any] | None]:
    """Give the arguments of a rule that a variable's own options ask for: argument=option."""

    def arguments(checked: Checked, variable: str) -> dict[str, Any] | None:
        described = checked.dataset.variables[variable]
        if getattr(described, option) is None:
            return None
        options = {argument: getattr(described, name) for argument, name in names.items()}
        return {**columns_of(variable), "frequency": checked.dataset.frequency, **options}

    return arguments


def revision(checked: Checked, variable: str) -> dict[str, Any] | None:
    """Give the correction of a variable that needs no mention, if one is set."""
    tolerance = checked.dataset.variables[variable].revision
    return None if tolerance is None else {"column_list": [VALUE, STANDING], "tolerance": tolerance}


def drift_limits(checked: Checked, variable: str) -> dict[str, Any] | None:
    """Give the accepted profile of a variable and the limits of drift, once data have been accepted."""
    if not (DATA / ACCEPTED).exists():
        return None
    profile = {"profile": str(DATA / ACCEPTED), "variable": variable}
    limits = {"psi": checked.settings.psi, "ks": checked.settings.ks, "least": checked.settings.values}
    return {**columns_of(variable), **profile, **limits}
