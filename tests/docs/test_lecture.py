"""docs/lecture.md says what the code does: its formulas are those of models/, and its Python lines run."""

import re

import pytest
from workspaces import ROOT

PAGE = (ROOT / "docs" / "lecture.md").read_text()
FORMULAS = "\n".join(re.findall(r"```text\n(.*?)```", PAGE, flags=re.DOTALL)).splitlines()
CODE = {path: path.read_text() for path in (ROOT / "models").glob("*.py")}


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_of_the_lecture_is_one_of_the_code(formula: str) -> None:
    assert any(formula.strip() in text for text in CODE.values())


def test_the_functions_that_the_lecture_names_exist() -> None:
    from models import equations

    for name in ("rnn", "loss", "deltas", "backpropagation_through_time", "clip_by_global_norm", "lstm", "gru"):
        assert f"`{name}`" in PAGE and hasattr(equations, name)


def test_the_python_lines_of_the_lecture_run() -> None:
    exec(compile("\n".join(re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)), "docs/lecture.md", "exec"), {})
