"""docs/contributing.md is followed to the letter in a copy of the repository, and what it adds works."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML
from workspaces import ROOT, run_in, set_params

GUIDE = (ROOT / "docs" / "contributing.md").read_text()
STEP = re.compile(
    r"^\d+\. (?P<verb>Write|Append to|Insert into) `(?P<path>[^`]+)`"
    r"(?: (?P<where>after|before) `(?P<line>[^`]+)`)?:\n\n"
    r"   ```\w+\n(?P<code>.*?)^   ```$",
    re.MULTILINE | re.DOTALL,
)


def follow(workspace: Path) -> None:
    """Do what the guide's steps say."""
    for step in STEP.finditer(GUIDE):
        path = workspace / step["path"]
        code = "".join(line[3:] if line.startswith("   ") else line for line in step["code"].splitlines(keepends=True))
        text = path.read_text() if path.exists() else ""
        if step["verb"] == "Write":
            assert not path.exists()
            text = code
        elif step["verb"] == "Append to":
            text += code
        else:
            (line,) = [line for line in text.splitlines(keepends=True) if line.startswith(step["line"])]
            text = text.replace(line, line + code if step["where"] == "after" else code + line, 1)
        path.write_text(text)


def test_each_kind_is_added_in_at_most_five_steps() -> None:
    sections = re.split(r"^## ", GUIDE, flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections] == [
        "Adding a model", "Adding a source", "Adding a rule of the data gate", "Adding a metric", "Adding a stage",
    ]  # fmt: skip
    assert max(len(re.findall(r"^\d+\. ", section, re.MULTILINE)) for section in sections) <= 5


@pytest.mark.long
@pytest.mark.slow
def test_a_toy_model_source_rule_metric_and_stage_run_in_the_pipeline(workspace: Path) -> None:
    yaml = YAML()
    params = yaml.load(workspace / "params.yaml")
    params["models"] = {"seasonal_naive": params["models"]["seasonal_naive"]}
    yaml.dump(params, workspace / "params.yaml")
    follow(workspace)
    set_params(
        workspace,
        {
            "dataset.source": "sine",
            "dataset.options": {"stations": ["north", "south"]},
            "dataset.variables": {"x": {"unit": "m"}},
            "dataset.targets": ["x"],
            "dataset.covariates": [],
            "evaluate.metric": "bounded_error",
            "count": {"label": "toy"},
        },
    )
    settings = workspace / "tidegate" / "workspace" / "settings.py"
    settings.write_text(
        settings.read_text().replace("    evaluate: Evaluate\n", "    evaluate: Evaluate\n    count: Count = Count()\n")
    )
    printed = run_in(workspace, "tidegate", "run").stdout
    scores = json.loads((workspace / "artifacts" / "evaluation" / "metrics.json").read_text())
    assert set(scores) == {"average", "seasonal_naive"} and "bounded AE, m" in printed
    assert scores["seasonal_naive"]["bounded_error"] < scores["average"]["bounded_error"]
    findings = pd.read_csv(workspace / "artifacts" / "findings.csv")
    assert {"north", "south"} <= set(findings.loc[findings["rule"] == "jump", "station"])
    assert "no value of" in (workspace / "artifacts" / "data_docs" / "index.html").read_text().lower()
    counted = json.loads((workspace / "artifacts" / "count.json").read_text())
    assert counted["label"] == "toy" and counted["train"] > 100
    run_in(workspace, "python", "docs/tables.py", PYTHONPATH=str(workspace))
    assert "| `jump` | a jump by more than 1" in (workspace / "docs" / "data.md").read_text()
