"""Which rules a data set is held to."""

import pandas as pd

from tidegate.quality import expectations as expect
from tidegate.quality.expectations import Expected
from tidegate.quality.findings import ALL_VARIABLES, SCHEMA
from tidegate.workspace.columns import KEYS, STANDING, STATION, TIME, VALUE
from tidegate.workspace.paths import ACCEPTED, DATA
from tidegate.workspace.settings import Settings


def of_keys(settings: Settings, offset: int) -> list[Expected]:
    """List what stations and times are held to; `offset` is that of the grid."""
    frequency = settings.dataset.frequency
    return [
        Expected(SCHEMA, ALL_VARIABLES, expect.not_null(column=STATION)),
        Expected(SCHEMA, ALL_VARIABLES, expect.not_null(column=TIME)),
        Expected(SCHEMA, ALL_VARIABLES, expect.unique(column_list=KEYS)),
        Expected(
            "off_grid", ALL_VARIABLES, expect.ExpectRegularTimes(column_list=KEYS, frequency=frequency, offset=offset)
        ),
    ]


def of_rows(settings: Settings) -> list[Expected]:
    """List what the rows on the grid and their cells are held to, in the order of precedence."""
    dataset, frequency = settings.dataset, settings.dataset.frequency
    zone = {"time_zone": dataset.time_zone, "frequency": frequency}
    whole = expect.ExpectNoHourLostToClockChange(column_list=KEYS, **zone)
    listed = [Expected("clock_change", ALL_VARIABLES, whole)]
    for name in dataset.variables:
        if values := dataset.sentinels_of(name):
            listed.append(Expected("sentinel", name, expect.not_in(column=name, value_set=list(values))))
    for name, variable in dataset.variables.items():
        if variable.min is not None or variable.max is not None:
            limits = {"min_value": variable.min, "max_value": variable.max}
            listed.append(Expected("range", name, expect.between(column=name, **limits)))
    for less, more in dataset.pairs:
        listed.append(
            Expected(
                "relation",
                f"{less} <= {more}",
                expect.not_less(column_A=more, column_B=less, or_equal=True, ignore_row_if="either_value_is_missing"),
            )
        )
    for name, variable in dataset.variables.items():
        columns = {"column_list": [*KEYS, name], "frequency": frequency}
        if variable.stuck_steps is not None:
            stuck = expect.ExpectNoStuckSensor(**columns, steps=variable.stuck_steps, floor=variable.floor)
            listed.append(Expected("stuck", name, stuck))
        if variable.spike is not None:
            listed.append(Expected("spike", name, expect.ExpectNoSpike(**columns, z=variable.spike)))
    return listed


def of_series(settings: Settings, until: pd.Timestamp) -> list[Expected]:
    """List what a station's clean series is held to; `until` is the newest time of the network."""
    rules, frequency = settings.validate_.rules, settings.dataset.frequency
    listed = []
    for name in settings.dataset.variables:
        columns = {"column_list": [*KEYS, name]}
        listed += [
            Expected(
                "gap", name, expect.ExpectNoLongGap(**columns, frequency=frequency, steps=rules.gap.steps)
            ),
            Expected("missing", name, expect.ExpectFewMissing(**columns, share=rules.missing.tolerance)),
            Expected(
                "freshness",
                name,
                expect.ExpectFreshData(
                    **columns, frequency=frequency, steps=rules.freshness.steps, until=str(until)
                ),
            ),
        ]  # fmt: skip
        if (DATA / ACCEPTED).exists():
            drift = rules.drift
            measures = {"psi": drift.psi, "ks": drift.ks, "least": drift.values}
            profile = {"profile": str(DATA / ACCEPTED), "variable": name}
            listed.append(Expected("drift", name, expect.ExpectNoDrift(**columns, **profile, **measures)))
    return listed


def of_revisions(settings: Settings, variable: str) -> list[Expected]:
    """List what replaced values of a variable are held to."""
    tolerance = settings.dataset.variables[variable].revision
    if tolerance is None:
        return []
    small = expect.ExpectSmallRevisions(column_list=[VALUE, STANDING], tolerance=tolerance)
    return [Expected("revision", variable, small)]


def of_stations() -> list[Expected]:
    """List what the network is held to, a row a station."""
    return [Expected("stations", ALL_VARIABLES, expect.equal(column_A="present", column_B="accepted"))]
