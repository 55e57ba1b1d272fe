"""What a data set is checked against, phase by phase."""

import pandas as pd

from tidegate.quality.gate_rule import ALL_VARIABLES, SCHEMA, Checked, Expected, GateRule, Phase
from tidegate.quality.suite import RULES, rules_of
from tidegate.workspace.columns import KEYS, STATION, TIME
from tidegate.workspace.settings import Settings


def expected(phase: Phase, settings: Settings, offset: int = 0, until: pd.Timestamp | None = None) -> list[Expected]:
    """List what a data set is checked against in a phase: whole rows first, then relations, then variable by variable.

    Args:
        phase: what is checked.
        settings: of the workspace.
        offset: of the grid, in microseconds.
        until: the newest time of the network.
    """
    sections, dataset = rules_of(settings.validate_), settings.dataset
    of_phase = [rule for rule in RULES if rule.phase == phase]
    pairs: list[tuple[GateRule, str]] = [(rule, ALL_VARIABLES) for rule in of_phase if rule.subjects == "all"]
    relations = [f"{less} <= {more}" for less, more in dataset.pairs]
    pairs += [(rule, relation) for relation in relations for rule in of_phase if rule.subjects == "relations"]
    pairs += [(rule, variable) for variable in dataset.variables for rule in of_phase if rule.subjects == "variables"]
    listed = _schema() if phase == "keys" else []
    for rule, subject in pairs:
        arguments = rule.arguments(Checked(dataset, sections.of(rule.name), offset, until), subject)
        if arguments is not None:
            listed.append(Expected(rule.name, subject, rule.expectation, arguments))
    return listed


def _schema() -> list[Expected]:
    return [
        Expected(SCHEMA, ALL_VARIABLES, "ExpectColumnValuesToNotBeNull", {"column": STATION}),
        Expected(SCHEMA, ALL_VARIABLES, "ExpectColumnValuesToNotBeNull", {"column": TIME}),
        Expected(SCHEMA, ALL_VARIABLES, "ExpectCompoundColumnsToBeUnique", {"column_list": KEYS}),
    ]
