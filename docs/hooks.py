"""What MkDocs calls while it builds the site: it lists the decisions, and writes what follows from the code."""

import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

from docs import reference  # noqa: E402  found by the line above

WRITTEN = {
    "<!-- keys: written by make docs -->": reference.params_page,
    "<!-- help: written by make docs -->": reference.commands_page,
    "<!-- expectations: written by make docs -->": reference.expectations_page,
}


def on_config(config: Any) -> Any:
    """Fill in the part Decisions of the navigation."""
    for part in config["nav"]:
        if isinstance(part, dict) and "Decisions" in part:
            part["Decisions"] = ["decisions/index.md"] + [
                f"decisions/{page.name}" for page in sorted((DOCS / "decisions").glob("[0-9]*.md"))
            ]
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the generated parts where a page asks for them."""
    for mark, write in WRITTEN.items():
        if mark in markdown:
            markdown = markdown.replace(mark, write())
    return markdown
