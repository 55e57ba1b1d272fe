"""Write the tables of the documentation that follow from the code: python docs/tables.py (make docs does it)."""

from pathlib import Path

from tidegate.quality.suite import documentation

PAGE = Path(__file__).parent / "data.md"
BEGIN, END = "<!-- rules: written by make docs -->\n", "<!-- end of rules -->\n"


def with_rules(text: str) -> str:
    """Give the page docs/data.md with the present table of rules."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + "\n".join(documentation()) + "\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(with_rules(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
