"""Each example has the sections that the stages ask for, says how it is run, and stands in the site."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from workspaces import ROOT

EXAMPLES = sorted(ROOT.glob("examples/*/params.yaml"))
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].values()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_has_every_section_that_a_stage_depends_on(example: Path) -> None:
    asked = {key.split(".")[0] for stage in STAGES for key in stage.get("do", stage)["params"] if "${" not in key}
    assert asked - set(YAML(typ="safe").load(example)) == set()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_says_how_it_is_run_and_the_site_shows_it(example: Path) -> None:
    page = example.with_name("README.md")
    assert f"cp examples/{example.parent.name}/params.yaml params.yaml" in page.read_text()
    assert f'"examples/{example.parent.name}/README.md"' in (ROOT / "docs" / "examples.md").read_text()
    command = re.search(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL)
    assert command and f"<!-- made by: {command[1].strip()}; at: " in page.read_text()  # bench/examples.py finds it so


def test_dvc_yaml_takes_from_params_yaml_only_what_has_no_default() -> None:
    taken = re.findall(r"\$\{([\w.]+)\}", (ROOT / "dvc.yaml").read_text())
    assert set(taken) == {"models", "item.family", "key", "dataset.frequency"}
