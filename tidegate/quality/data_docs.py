"""A page of Great Expectations' Data Docs for a whole network that was judged in parts."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.render import RenderedStringTemplateContent
from great_expectations.render.components import RenderedSectionContent, RenderedTableContent
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

from tidegate.quality.expectations import EXAMPLES, Outcome
from tidegate.workspace.paths import atomic_output


def write_page(name: str, parts: Sequence[Sequence[Outcome]], findings: pd.DataFrame, page: Path) -> None:
    """Write a page of Data Docs: the findings, and each expectation with its result over all parts of the data.

    The page holds no clock time and no random ids, so that the same data give the same bytes.
    """
    positions = range(len(parts[0])) if parts else []
    results = [_sum([part[position].shown for part in parts]) for position in positions]
    met = sum(result.success for result in results)
    outcome = ExpectationSuiteValidationResult(
        success=met == len(results),
        results=results,
        suite_name=name,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": met,
            "unsuccessful_expectations": len(results) - met,
            "success_percent": 100.0 * met / max(len(results), 1),
        },
        meta={"great_expectations_version": gx.__version__, "active_batch_definition": {}},
    )
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(outcome)
    document.sections.insert(1, _findings(findings))
    html = DefaultJinjaPageView().render(document)
    html = re.sub(r"\?d=\d{8}T[\d.]+Z", "", html)
    html = re.sub(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", html)
    with atomic_output(page) as aside:
        aside.write_text(html, encoding="utf-8")


def _sum(parts: Sequence[dict[str, Any]]) -> ExpectationValidationResult:
    """Add up an expectation's results over all parts of the data."""
    elements = sum(part["element_count"] for part in parts)
    unexpected = sum(part["unexpected_count"] for part in parts)
    config = dict(parts[0]["config"])
    return ExpectationValidationResult(
        success=not unexpected,
        expectation_config=ExpectationConfiguration(
            type=config["type"], kwargs={k: v for k, v in config["kwargs"].items() if k != "batch_id"}
        ),
        result={
            "element_count": elements,
            "unexpected_count": unexpected,
            "unexpected_percent": 100.0 * unexpected / max(elements, 1),
            "partial_unexpected_list": [example for part in parts for example in part["examples"]][:EXAMPLES],
        },
        exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
        meta={},
    )


def _findings(findings: pd.DataFrame) -> RenderedSectionContent:
    rows = [[str(cell) for cell in row] for row in findings.head(1000).itertuples(index=False)]
    table = RenderedTableContent(
        content_block_type="table",
        header=RenderedStringTemplateContent(
            content_block_type="string_template",
            string_template={"template": "What was found, by rule, station and variable", "tag": "h5"},
        ),
        header_row=[str(name) for name in findings.columns],
        table=rows or [["nothing"] + [""] * (len(findings.columns) - 1)],
        styling={"body": {"classes": ["table", "table-sm", "table-striped"]}},
    )
    return RenderedSectionContent(section_name="Findings", content_blocks=[table])
