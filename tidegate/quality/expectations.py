"""Expectations for series of measurements, for any suite of Great Expectations.

Each is a map expectation over the columns [station, time, value], or as many of them as it needs, in any order of rows,
and gives every row that breaks it. What breaks it is said by the function of tidegate/rules.py that bears its name.

    suite.add_expectation(ExpectNoStuckSensor(column_list=["station", "time", "wind"], frequency="1h", steps=6))
    suite.add_expectation(ExpectNoSpike(column_list=["station", "time", "temperature"], frequency="1h", z=20))

For what is no matter of time, Great Expectations has its own: ranges, sets, pairs, uniqueness of (station, time).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import MulticolumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider import multicolumn_condition_partial
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_map_metric_provider import (
    MulticolumnMapMetricProvider,
)
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer

from tidegate.quality import drift, rules

METRICS = "multicolumn_values.tidegate_"
EXAMPLES = 20  # of each expectation, on a page


def _metric(name: str, mark: Callable[..., Any], *keys: str) -> str:
    """Make known to Great Expectations the metric that a function of rules.py is; give its name."""

    def meets(cls: Any, columns: pd.DataFrame, **given: Any) -> "pd.Series[Any]":
        marks = mark(*(columns[name] for name in columns), **{key: given[key] for key in keys})
        return pd.Series(~marks, index=columns.index)

    members = {
        "condition_metric_name": METRICS + name,
        "condition_domain_keys": MulticolumnMapMetricProvider.condition_domain_keys,
        "condition_value_keys": keys,
        "_pandas": multicolumn_condition_partial(engine=PandasExecutionEngine)(meets),
    }
    type(f"Tidegate{name.title().replace('_', '')}", (MulticolumnMapMetricProvider,), members)
    return METRICS + name


def _drift(station: Any, time: Any, value: Any, profile: str, variable: str, **given: Any) -> rules.Flags:
    accepted = pd.read_parquet(profile, filters=[("variable", "==", variable)])
    return drift.drift(station, time, value, accepted, **given)


class _OverTime(MulticolumnMapExpectation):
    """What all of them share: a row counts, whatever is missing in it."""

    ignore_row_if: str = "never"

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(cls, configuration: Any = None, **_given: Any) -> list[RenderedStringTemplateContent]:
        """Say for a page of Data Docs what is expected: the class's own sentence, and its options."""
        given = configuration.kwargs
        options = ", ".join(f"{key} {given[key]}" for key in cls.success_keys if given.get(key) is not None)
        sentence = " ".join((cls.__doc__ or "").strip().splitlines()[0].replace("`", "").split())
        text = f"{given['column_list'][-1]}: {sentence}" + (f" ({options})" if options else "")
        template = {"template": text.replace("$", "$$"), "params": {}}
        return [RenderedStringTemplateContent(content_block_type="string_template", string_template=template)]


class ExpectRegularTimes(_OverTime):
    """Each time of [station, time] lies on a whole step of `frequency`, counted from where most lie, or an offset."""

    frequency: str
    offset: int | None = None  # microseconds
    map_metric: ClassVar[str] = _metric("off_grid", rules.off_grid, "frequency", "offset")
    success_keys: ClassVar[tuple[str, ...]] = ("frequency", "offset")


class ExpectTimesInOrder(_OverTime):
    """Of [station, time], each row is later than the one of its station before it."""

    map_metric: ClassVar[str] = _metric("unordered", rules.unordered)
    success_keys: ClassVar[tuple[str, ...]] = ()


class ExpectNoHourLostToClockChange(_OverTime):
    """Of [station, time], no hour is missing or doubled where the clock is changed in `time_zone`.

    Times may be local ones without a zone, too.
    """

    time_zone: str
    frequency: str
    map_metric: ClassVar[str] = _metric(
        "clock_change",
        lambda station, time, time_zone, frequency: rules.clock_change(station, time, time_zone, frequency),
        "time_zone",
        "frequency",
    )
    success_keys: ClassVar[tuple[str, ...]] = ("time_zone", "frequency")


class ExpectNoStuckSensor(_OverTime):
    """A value of [station, time, value] is not the same for more than so many steps, but at or below `floor`."""

    frequency: str
    steps: int
    floor: float | None = None
    map_metric: ClassVar[str] = _metric("stuck", rules.stuck, "frequency", "steps", "floor")
    success_keys: ClassVar[tuple[str, ...]] = ("frequency", "steps", "floor")


class ExpectNoSpike(_OverTime):
    """No value of [station, time, value] stands out from both neighbours by a robust z-score above `z`."""

    frequency: str
    z: float
    map_metric: ClassVar[str] = _metric("spike", rules.spike, "frequency", "z")
    success_keys: ClassVar[tuple[str, ...]] = ("frequency", "z")


class ExpectNoLongGap(_OverTime):
    """Between two values of [station, time, value] lie no more than so many steps without one."""

    frequency: str
    steps: int
    map_metric: ClassVar[str] = _metric("gap", rules.gap, "frequency", "steps")
    success_keys: ClassVar[tuple[str, ...]] = ("frequency", "steps")


class ExpectFewMissing(_OverTime):
    """A station of [station, time, value] lacks no more than a `share` of its values, from its first one on."""

    share: float
    map_metric: ClassVar[str] = _metric("missing", rules.missing, "share")
    success_keys: ClassVar[tuple[str, ...]] = ("share",)


class ExpectFreshData(_OverTime):
    """Each station's newest value of [station, time, value] is at most so many steps older than `until`.

    Without `until`, that is the newest time of all.
    """

    frequency: str
    steps: int
    until: str | None = None
    map_metric: ClassVar[str] = _metric("silent", rules.freshness, "frequency", "steps", "until")
    success_keys: ClassVar[tuple[str, ...]] = ("frequency", "steps", "until")


class ExpectNoDrift(_OverTime):
    """New values of [station, time, value] are distributed as the accepted ones of the same month of the year.

    `profile` is a Parquet file of what `rules.profile` gives, with a column `variable`.
    """

    profile: str
    variable: str
    psi: float
    ks: float
    least: int
    map_metric: ClassVar[str] = _metric("drift", _drift, "profile", "variable", "psi", "ks", "least")
    success_keys: ClassVar[tuple[str, ...]] = ("profile", "variable", "psi", "ks", "least")


class ExpectSmallRevisions(_OverTime):
    """Values of [value, standing] have been replaced by such as differ by at most a tolerance."""

    tolerance: float
    map_metric: ClassVar[str] = _metric("revised", rules.revision, "tolerance")
    success_keys: ClassVar[tuple[str, ...]] = ("tolerance",)


@dataclass(frozen=True)
class Expected:
    """An expectation in the terms of the data gate."""

    rule: str
    variable: str
    expectation: Any = field(repr=False)


@dataclass(frozen=True)
class Outcome:
    """What came of it: the rows that broke it (positions in the frame), and what a page needs of it."""

    rule: str
    variable: str
    rows: tuple[int, ...]
    shown: dict[str, Any]


def check(name: str, frame: pd.DataFrame, expected: Sequence[Expected]) -> list[Outcome]:
    """Put a frame, whose index numbers its rows, to expectations."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("tidegate").add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    for place, each in enumerate(expected):
        each.expectation.meta = {"place": place}
    suite = gx.ExpectationSuite(name=name, expectations=[each.expectation for each in expected])
    outcome = batch.validate(suite, result_format={"result_format": "COMPLETE"})
    found = []
    for result in outcome.results:
        each = expected[result.expectation_config.meta["place"]]
        if result.exception_info.get("raised_exception", False) or (
            "unexpected_index_list" not in result.result and not result.success
        ):
            raise RuntimeError(f"{each.rule} of {each.variable} could not be judged: {result.exception_info}")
        rows = tuple(result.result.pop("unexpected_index_list", None) or ())
        found.append((result.expectation_config.meta["place"], Outcome(each.rule, each.variable, rows, _shown(result))))
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def _shown(result: Any) -> dict[str, Any]:
    """Keep what a page shows of a result: plain values."""
    kept = result.to_json_dict()
    numbers = kept["result"]
    return {
        "config": kept["expectation_config"],
        "element_count": numbers.get("element_count", 0),
        "unexpected_count": numbers.get("unexpected_count", 0),
        "examples": (numbers.get("partial_unexpected_list") or [])[:EXAMPLES],
    }


not_null = gxe.ExpectColumnValuesToNotBeNull
unique = gxe.ExpectCompoundColumnsToBeUnique
between = gxe.ExpectColumnValuesToBeBetween
not_in = gxe.ExpectColumnValuesToNotBeInSet
not_less = gxe.ExpectColumnPairValuesAToBeGreaterThanB
equal = gxe.ExpectColumnPairValuesToBeEqual
