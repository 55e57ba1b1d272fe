"""A page of Great Expectations' Data Docs for a whole network that was judged in parts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
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

# Great Expectations' own page loads its styles, fonts and scripts from the web; this one loads nothing.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="icon" href="data:,">
  <title>Data gate: {{ verdict }}</title>
  <style>
    :root { color-scheme: light dark; }
    body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; padding: 1.5rem; max-width: 84rem; }
    h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h5, h6 { font-size: 1.1rem; margin: 1.2rem 0 .4rem; }
    .verdict { border-left: .4rem solid #009e73; padding: .6rem 1rem; background: #80808018; font-size: 1.15rem; }
    .verdict.closed { border-color: #d55e00; }
    .ge-section { overflow-x: auto; }
    nav a { margin-right: 1rem; }
    table { border-collapse: collapse; font-size: .9rem; } th, td { text-align: left; vertical-align: top; }
    th, td { padding: .25rem .7rem .25rem 0; border-bottom: 1px solid #80808050; }
    .badge { background: #80808028; border-radius: .25rem; padding: 0 .3rem; }
    .fa-check-circle::before { content: "\\2713"; color: #009e73; font-style: normal; font-weight: bold; }
    .fa-times::before { content: "!"; color: #d55e00; font-style: normal; font-weight: bold; }
  </style>
</head>
<body>
  <h1>Data gate</h1>
  <p class="verdict{{ ' closed' if closed }}">{{ verdict }}</p>
  <p>{{ counts }}</p>
  <p><i class="fas fa-check-circle"></i> nothing found &emsp; <i class="fas fa-times"></i> something found: the table
  says what, how much of it is tolerated, and whether it closes the gate.</p>
  <nav aria-label="Parts of this page">
  {% for section in sections %}<a href="#section-{{ loop.index }}">{{ section["section_name"] }}</a>{% endfor %}
  </nav>
  {% for section in sections %}{% set section_loop = loop %}{% include "section.j2" %}{% endfor %}
</body>
</html>
"""


@dataclass(frozen=True)
class GateVerdict:
    """What the page says first."""

    sentence: str
    counts: str
    closed: bool


def write_page(
    name: str, parts: Sequence[Sequence[Outcome]], findings: pd.DataFrame, verdict: GateVerdict, page: Path
) -> None:
    """Write a page of Data Docs: the gate's verdict, the findings, each expectation with its result over all parts.

    The page holds no clock time and no random ids, so that the same data give the same bytes; and it loads nothing.
    """
    positions = range(len(parts[0])) if parts else []
    results = [_sum([part[position].shown for part in parts]) for position in positions]
    outcome = ExpectationSuiteValidationResult(
        success=not verdict.closed,
        results=results,
        suite_name=name,
        statistics={},
        meta={"great_expectations_version": gx.__version__, "active_batch_definition": {}},
    )
    # The first and the last section, an overview and a run's name and time, know nothing of the gate's tolerances.
    own, expected = _findings(findings), ValidationResultsPageRenderer(run_info_at_end=True).render(outcome)
    sections = [section.to_json_dict() for section in (own, *expected.sections[1:-1])]
    html = DefaultJinjaPageView().env.from_string(PAGE).render(
        sections=sections, verdict=verdict.sentence, counts=verdict.counts, closed=verdict.closed
    )  # fmt: skip
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
