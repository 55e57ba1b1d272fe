"""What rows and stations must meet, put to Great Expectations; the only file that imports it.

Two suites: `cells`, row by row, whose failures go to quarantine; and `stations`, one row a station, whose
failures close the gate. Spikes and stuck sensors are marks computed beside the values (see calendar.py), so that
plain expectations can judge them and the Data Docs show them.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

from tidegate.artifacts import replacing
from tidegate.calendar import jump, off_grid, plausible, repeats, stretches
from tidegate.errors import DataError
from tidegate.frame import KEYS, STATION, TIME
from tidegate.settings import Tolerance, Validate, Variable

OFF_GRID = "off_grid"
ALL_VARIABLES = "*"


@dataclass(frozen=True)
class Failure:
    """One expectation that was not met: the rule, the variable, and the rows (positions in the frame)."""

    rule: str
    variable: str
    rows: tuple[int, ...]


def check_cells(rows: pd.DataFrame, settings: Validate, step: pd.Timedelta, page: Path) -> list[Failure]:
    """Check every cell; write a page of Data Docs; give what failed, in order of precedence.

    Raises:
        DataError: the schema itself is broken: a column, a type or the uniqueness of (station, time).
    """
    marked = rows.copy()
    marked["off_grid"] = off_grid(rows[TIME], step).astype("float64")
    for name, variable in settings.variables.items():
        _mark(marked, name, variable, settings, stretches(rows, step))
    results = _run("cells", marked, _cell_suite(settings), page)
    failures = []
    for result in results:
        if result.success:
            continue
        meta = result.expectation_config.meta
        if meta["rule"] == "schema":
            raise DataError(f"The rows in data/ break their schema ({result.expectation_config.type}): see {page}.")
        found = tuple(result.result["unexpected_index_list"])
        failures.append(Failure(meta["rule"], meta["variable"], found))
    return failures


def check_stations(summary: pd.DataFrame, tolerance: Tolerance, page: Path) -> list[Failure]:
    """Check the network station by station (columns as `summarise` in stages/validate.py makes them)."""
    limits = tolerance.model_dump()
    suite = [_schema(gxe.ExpectColumnValuesToBeUnique(column=STATION))]
    for column in summary.columns.drop(STATION):
        variable, _, rule = column.rpartition(" ")
        meta = {"rule": rule, "variable": variable}
        suite.append(gxe.ExpectColumnValuesToBeBetween(column=column, max_value=limits[rule], meta=meta))
    results = _run("stations", summary, suite, page)
    return [
        Failure(meta["rule"], meta["variable"], tuple(result.result["unexpected_index_list"]))
        for result in results
        if not result.success and (meta := result.expectation_config.meta)
    ]


def _mark(rows: pd.DataFrame, name: str, variable: Variable, settings: Validate, stretch: pd.Series) -> None:
    """Set beside a variable its jumps and repeats, of the values that are plausible alone."""
    values = plausible(rows[name], variable.min, variable.max, settings.sentinels)
    if variable.spike is not None:
        rows[f"{name} jump"] = jump(values, stretch)
    if variable.stuck_steps is not None:
        rows[f"{name} repeats"] = repeats(values, stretch).astype("float64")


def _cell_suite(settings: Validate) -> list[Any]:
    names = list(settings.variables)
    between = gxe.ExpectColumnValuesToBeBetween
    suite = [
        _schema(gxe.ExpectTableColumnsToMatchSet(column_set=[*KEYS, *names], exact_match=False)),
        _schema(gxe.ExpectColumnValuesToNotBeNull(column=STATION)),
        _schema(gxe.ExpectColumnValuesToNotBeNull(column=TIME)),
        _schema(gxe.ExpectCompoundColumnsToBeUnique(column_list=KEYS)),
        *(_schema(gxe.ExpectColumnValuesToBeOfType(column=name, type_="float64")) for name in names),
        between(column="off_grid", max_value=0, meta={"rule": OFF_GRID, "variable": ALL_VARIABLES}),
    ]
    for name, variable in settings.variables.items():
        if settings.sentinels:
            values = list(settings.sentinels)
            meta = {"rule": "sentinel", "variable": name}
            suite.append(gxe.ExpectColumnValuesToNotBeInSet(column=name, value_set=values, meta=meta))
        limits = {"min_value": variable.min, "max_value": variable.max}
        if any(limit is not None for limit in limits.values()):
            suite.append(between(column=name, **limits, meta={"rule": "range", "variable": name}))
        for mark, limit, rule in (
            ("jump", variable.spike, "spike"),
            ("repeats", variable.stuck_steps, "stuck"),
        ):
            if limit is not None:
                meta = {"rule": rule, "variable": name}
                suite.append(between(column=f"{name} {mark}", max_value=limit, meta=meta))
    return suite


def _schema(expectation: Any) -> Any:
    expectation.meta = {"rule": "schema", "variable": ALL_VARIABLES}
    return expectation


def _run(name: str, frame: pd.DataFrame, suite: list[Any], page: Path) -> list[Any]:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("tidegate").add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    outcome = batch.validate(
        gx.ExpectationSuite(name=name, expectations=suite), result_format={"result_format": "COMPLETE"}
    )
    _write_page(outcome, page)
    return list(outcome.results)


def _write_page(outcome: Any, page: Path) -> None:
    """Write a page of Data Docs without the clock and the random ids that it would carry."""
    outcome.meta = {key: outcome.meta[key] for key in ("great_expectations_version", "active_batch_definition")}
    html = DefaultJinjaPageView().render(ValidationResultsPageRenderer(run_info_at_end=True).render(outcome))
    html = re.sub(r"\?d=\d{8}T[\d.]+Z", "", html)
    html = re.sub(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", html)
    with replacing(page) as aside:
        aside.write_text(html, encoding="utf-8")
