"""The rules of the data gate, one row of a table each.

From the table follow the section `validate.rules` of params.yaml, what a data set is checked against, how its findings
are worded, and the table in docs/data.md. Cells that break several rules are put down to the first one in the table
that holds them back.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, create_model, model_validator

from tidegate.quality import drift, rules
from tidegate.quality.gate_rule import (
    ALL_VARIABLES,
    GateRule,
    columns_of,
    drift_limits,
    if_set,
    limits,
    relation,
    revision,
    sentinels,
)
from tidegate.workspace.columns import KEYS
from tidegate.workspace.params import Section, parse
from tidegate.workspace.settings import DriftRule, DurationRule, Rule, Validate

QUARANTINED = Rule(severity="quarantine", tolerance=0.05)

RULES = (
    GateRule(
        name="off_grid",
        phase="keys",
        subjects="all",
        settings=QUARANTINED,
        finds="times between the steps of `dataset.frequency`",
        expectation="ExpectRegularTimes",
        expects="Each time of [station, time] lies on a whole step of `frequency`, counted from where most lie, or an "
        "offset.",
        marks=rules.off_grid,
        arguments=lambda c, _: {"column_list": KEYS, "frequency": c.dataset.frequency, "offset": c.offset},
        holds_cells=True,
        by_share=True,
    ),
    GateRule(
        name="sentinel",
        phase="rows",
        subjects="variables",
        settings=QUARANTINED,
        finds='values that mean "missing"',
        set_at="`dataset.sentinels`, a variable's `sentinels`",
        expectation="ExpectColumnValuesToNotBeInSet",
        arguments=sentinels,
        holds_cells=True,
        by_share=True,
    ),
    GateRule(
        name="range",
        phase="rows",
        subjects="variables",
        settings=QUARANTINED,
        finds="beyond physical limits",
        set_at="a variable's `min`, `max`",
        expectation="ExpectColumnValuesToBeBetween",
        arguments=limits,
        holds_cells=True,
        by_share=True,
    ),
    GateRule(
        name="relation",
        phase="rows",
        subjects="relations",
        settings=QUARANTINED,
        finds="both cells of `PM2.5 <= PM10`, `DEWP <= TEMP` where it does not hold",
        set_at="`dataset.relations`",
        expectation="ExpectColumnPairValuesAToBeGreaterThanB",
        arguments=relation,
        holds_cells=True,
        by_share=True,
    ),
    GateRule(
        name="stuck",
        phase="rows",
        subjects="variables",
        settings=QUARANTINED,
        finds="the same value for more than so many steps; at or below `floor` it may rest",
        set_at="`stuck_steps`, `floor`",
        expectation="ExpectNoStuckSensor",
        expects="A value of [station, time, value] is not the same for more than so many steps, but at or below "
        "`floor`.",
        marks=rules.stuck,
        arguments=if_set("stuck_steps", steps="stuck_steps", floor="floor"),
        holds_cells=True,
        by_share=True,
    ),
    GateRule(
        name="spike",
        phase="rows",
        subjects="variables",
        settings=QUARANTINED,
        finds="what stands out from both neighbours, by robust z-score of the station and season",
        set_at="`spike`",
        expectation="ExpectNoSpike",
        expects="No value of [station, time, value] stands out from both neighbours by a robust z-score above `z`.",
        marks=rules.spike,
        arguments=if_set("spike", z="spike"),
        holds_cells=True,
        by_share=True,
    ),
    GateRule(
        name="gap",
        phase="series",
        subjects="variables",
        settings=DurationRule(severity="fail", steps=336),
        finds="more than so many steps without a value",
        set_at="`steps`",
        expectation="ExpectNoLongGap",
        expects="Between two values of [station, time, value] lie no more than so many steps without one.",
        marks=rules.gap,
        arguments=lambda c, name: {**columns_of(name), "frequency": c.dataset.frequency, "steps": c.settings.steps},
        sentence="gap: {where} has no value {span}",
    ),
    GateRule(
        name="missing",
        phase="series",
        subjects="variables",
        settings=Rule(severity="fail", tolerance=0.10),
        finds="a station lacks more than `tolerance` of its values",
        expectation="ExpectFewMissing",
        expects="A station of [station, time, value] lacks no more than a `share` of its values, from its first one "
        "on.",
        marks=rules.missing,
        arguments=lambda c, name: {**columns_of(name), "share": c.settings.tolerance},
    ),
    GateRule(
        name="freshness",
        phase="series",
        subjects="variables",
        settings=DurationRule(severity="fail", steps=48),
        finds="silent for more than so many steps while others report",
        set_at="`steps`",
        expectation="ExpectFreshData",
        expects="Each station's newest value of [station, time, value] is at most so many steps older than `until`.\n\n"
        "Without `until`, that is the newest time of all.",
        marks=rules.freshness,
        arguments=lambda c, name: {
            **columns_of(name),
            "frequency": c.dataset.frequency,
            "steps": c.settings.steps,
            "until": str(c.until),
        },
        sentence="freshness: {where} is silent {span}",
    ),
    GateRule(
        name="unmeasured",
        phase="series",
        subjects="variables",
        settings=Rule(severity="warn"),
        finds="a station that has never measured a variable: it is left unused there, a target with its station",
        expectation="ExpectSomeValue",
        expects="Each station of [station, time, value] has a value.",
        marks=rules.unmeasured,
        arguments=lambda _, name: columns_of(name),
    ),
    GateRule(
        name="clock_change",
        phase="rows",
        subjects="all",
        settings=Rule(severity="warn"),
        finds="an hour lost or doubled where the clock is changed in `dataset.time_zone`",
        expectation="ExpectNoHourLostToClockChange",
        expects="Of [station, time], no hour is missing or doubled where the clock is changed in `time_zone`.\n\n"
        "Times may be local ones without a zone, too.",
        marks=rules.clock_change,
        arguments=lambda c, _: {
            "column_list": KEYS,
            "time_zone": c.dataset.time_zone,
            "frequency": c.dataset.frequency,
        },
        by_share=True,
    ),
    GateRule(
        name="stations",
        phase="network",
        subjects="all",
        settings=Rule(severity="warn"),
        finds="new, or vanished, since the data that passed last",
        expectation="ExpectColumnPairValuesToBeEqual",
        arguments=lambda c, _: {"column_A": "present", "column_B": "accepted"},
    ),
    GateRule(
        name="drift",
        phase="series",
        subjects="variables",
        settings=DriftRule(severity="warn"),
        finds="new values against those that passed last, same station and month of the year: PSI and "
        "Kolmogorov–Smirnov, both",
        set_at="`psi`, `ks`, `values`",
        expectation="ExpectNoDrift",
        expects="New values of [station, time, value] are distributed as the accepted ones of the same month of the "
        "year.\n\n`profile` is a Parquet file of what `drift.profile` gives, with a column `variable`.",
        marks=drift.drift_from_file,
        arguments=drift_limits,
    ),
    GateRule(
        name="revision",
        phase="revisions",
        subjects="variables",
        settings=Rule(severity="warn"),
        finds="a late correction by more than that",
        set_at="a variable's `revision`",
        expectation="ExpectSmallRevisions",
        expects="Values of [value, standing] have been replaced by such as differ by at most a tolerance.",
        marks=rules.revision,
        arguments=revision,
        by_share=True,
    ),
)
RULE_BY_NAME = {rule.name: rule for rule in RULES}
CELL_RULES = tuple(rule.name for rule in RULES if rule.holds_cells)  # in the order of precedence


class RuleSections(Section):
    """The section `validate.rules` of params.yaml."""

    @model_validator(mode="after")
    def _only_cells_go_to_quarantine(self) -> "RuleSections":
        for rule in RULES:
            if not rule.holds_cells and self.of(rule.name).severity == "quarantine":
                raise ValueError(f"{rule.name} finds no values that quarantine could hold: give fail or warn")
        return self

    def of(self, name: str) -> Any:
        """Give the section of a rule."""
        return getattr(self, name)


_FIELDS: dict[str, Any] = {rule.name: (type(rule.settings), Field(default=rule.settings)) for rule in RULES}
Rules: type[RuleSections] = create_model("Rules", __base__=RuleSections, **_FIELDS)


def rules_of(validate: Validate) -> RuleSections:
    """Read `validate.rules` of params.yaml, what is left out by its default.

    Raises:
        SettingsError: a rule or a key is unknown, or a value out of range.
    """
    return parse(Rules, validate.rules, "validate.rules")


def with_defaults(validate: Validate) -> Validate:
    """Fill in the defaults of `validate.rules`.

    Raises:
        SettingsError: as `rules_of`.
    """
    return validate.model_copy(update={"rules": rules_of(validate).model_dump(mode="json")})


def documentation() -> Iterator[str]:
    """Give the lines of the table of rules in docs/data.md."""
    yield "| rule | finds | set at |"
    yield "|---|---|---|"
    for rule in RULES:
        yield f"| `{rule.name}` | {rule.finds} | {rule.set_at} |"


def variables_of(rule: str, subject: str, known: Mapping[str, Any]) -> list[str]:
    """Name the variables whose cells an outcome is about."""
    if subject == ALL_VARIABLES:
        return list(known)
    return subject.split(" <= ") if RULE_BY_NAME[rule].subjects == "relations" else [subject]
