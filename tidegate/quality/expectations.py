"""Expectations for series of measurements, for any suite of Great Expectations.

Each is made from a rule of tidegate/quality/suite.py: a map expectation over the columns that the rule's function takes
([station, time, value], or as many of them as it needs), in any order of rows, which gives every row that breaks the
rule. The function's other parameters are the expectation's options.

    suite.add_expectation(ExpectNoStuckSensor(column_list=["station", "time", "wind"], frequency="1h", steps=6))
    suite.add_expectation(ExpectNoSpike(column_list=["station", "time", "temperature"], frequency="1h", z=20))

Great Expectations has its own for what does not depend on time: ranges, sets, pairs, uniqueness of (station, time).
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

from tidegate.quality import rules
from tidegate.quality.gate_rule import Expected
from tidegate.quality.sorted_rows import Flags
from tidegate.quality.suite import RULES

METRICS = "multicolumn_values.tidegate_"
COLUMNS = ("station", "time", "value", "less", "more", "standing")  # parameters of a rule that are columns of a frame
EXAMPLES = 20  # of each expectation, on a page of Data Docs


class _SeriesExpectation(MulticolumnMapExpectation):
    """What all of them share: every row counts, whatever is missing in it."""

    ignore_row_if: str = "never"

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(cls, configuration: Any = None, **_options: Any) -> list[RenderedStringTemplateContent]:
        """Describe on a page of Data Docs what is expected: the class's first sentence, and its options."""
        kwargs = configuration.kwargs
        options = ", ".join(f"{key} {kwargs[key]}" for key in cls.success_keys if kwargs.get(key) is not None)
        sentence = " ".join((cls.__doc__ or "").strip().splitlines()[0].replace("`", "").split())
        text = f"{kwargs['column_list'][-1]}: {sentence}" + (f" ({options})" if options else "")
        template = {"template": text.replace("$", "$$"), "params": {}}
        return [RenderedStringTemplateContent(content_block_type="string_template", string_template=template)]


def expectation(name: str, marks: Callable[..., Flags], sentence: str) -> Any:
    """Make an expectation of a function that marks the rows that break a rule.

    Args:
        name: of the class: ExpectNoSpike, say.
        marks: takes columns, then options; gives flags (rows,), True where the rule is broken.
        sentence: what is expected; it is the class's docstring, and stands in Data Docs.
    """
    parameters = inspect.signature(marks).parameters.values()
    options = [parameter for parameter in parameters if parameter.name not in COLUMNS]
    names = tuple(option.name for option in options)
    members: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": sentence,
        "__annotations__": {
            **{option.name: option.annotation for option in options},
            "map_metric": ClassVar[str],
            "success_keys": ClassVar[tuple[str, ...]],
        },
        "map_metric": _metric(marks, names),
        "success_keys": names,
        **{option.name: option.default for option in options if option.default is not inspect.Parameter.empty},
    }
    metaclass: Any = type(_SeriesExpectation)
    return metaclass(name, (_SeriesExpectation,), members)


def _metric(marks: Callable[..., Flags], options: tuple[str, ...]) -> str:
    """Register with Great Expectations the metric that a function computes; give the metric's name."""

    def meets(cls: Any, columns: pd.DataFrame, **kwargs: Any) -> "pd.Series[Any]":
        broken = marks(*(columns[name] for name in columns), **{key: kwargs[key] for key in options})
        return pd.Series(~broken, index=columns.index)

    name = METRICS + marks.__name__
    members = {
        "condition_metric_name": name,
        "condition_domain_keys": MulticolumnMapMetricProvider.condition_domain_keys,
        "condition_value_keys": options,
        "_pandas": multicolumn_condition_partial(engine=PandasExecutionEngine)(meets),
    }
    type(f"Tidegate{marks.__name__.title().replace('_', '')}", (MulticolumnMapMetricProvider,), members)
    return name


OURS = {rule.expectation: expectation(rule.expectation, rule.marks, rule.expects) for rule in RULES if rule.marks}

ExpectRegularTimes = OURS["ExpectRegularTimes"]
ExpectNoHourLostToClockChange = OURS["ExpectNoHourLostToClockChange"]
ExpectNoStuckSensor = OURS["ExpectNoStuckSensor"]
ExpectNoSpike = OURS["ExpectNoSpike"]
ExpectNoLongGap = OURS["ExpectNoLongGap"]
ExpectFewMissing = OURS["ExpectFewMissing"]
ExpectFreshData = OURS["ExpectFreshData"]
ExpectNoDrift = OURS["ExpectNoDrift"]
ExpectSmallRevisions = OURS["ExpectSmallRevisions"]
ExpectTimesInOrder = expectation(
    "ExpectTimesInOrder",
    rules.unordered,
    "Of [station, time], each row is later than the one of its station before it.",
)


@dataclass(frozen=True)
class Outcome:
    """The result of an expectation: the rows that broke it (positions in the frame), and what Data Docs show of it."""

    rule: str
    subject: str
    rows: tuple[int, ...]
    shown: dict[str, Any]


def check(name: str, frame: pd.DataFrame, expected: Sequence[Expected]) -> list[Outcome]:
    """Check a frame, whose index numbers its rows, against expectations.

    Raises:
        RuntimeError: an expectation could not be evaluated.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("tidegate").add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    expectations = []
    for position, item in enumerate(expected):
        kind = OURS.get(item.expectation) or getattr(gxe, item.expectation)
        expectations.append(kind(**item.arguments, meta={"position": position}))
    suite = gx.ExpectationSuite(name=name, expectations=expectations)
    validation = batch.validate(suite, result_format={"result_format": "COMPLETE"})
    outcomes: dict[int, Outcome] = {}
    for result in validation.results:
        position = result.expectation_config.meta["position"]
        item = expected[position]
        if result.exception_info.get("raised_exception", False) or (
            "unexpected_index_list" not in result.result and not result.success
        ):
            raise RuntimeError(f"{item.rule} of {item.subject} could not be judged: {result.exception_info}")
        rows = tuple(result.result.pop("unexpected_index_list", None) or ())
        outcomes[position] = Outcome(item.rule, item.subject, rows, _shown(result))
    return [outcomes[position] for position in sorted(outcomes)]


def _shown(result: Any) -> dict[str, Any]:
    """Keep what a page shows of a result: plain values."""
    content = result.to_json_dict()
    numbers = content["result"]
    return {
        "config": content["expectation_config"],
        "element_count": numbers.get("element_count", 0),
        "unexpected_count": numbers.get("unexpected_count", 0),
        "examples": (numbers.get("partial_unexpected_list") or [])[:EXAMPLES],
    }
