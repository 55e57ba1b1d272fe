"""The repository's own files say what the Makefile and .ci/run do, and nothing else."""

import json
import re

from ruamel.yaml import YAML
from workspaces import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


def test_the_workflow_runs_what_ci_runs() -> None:
    (job,) = YAML(typ="safe").load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]


def test_the_hooks_before_a_commit_are_those_of_make_check() -> None:
    (local,) = YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"]
    checks = re.search(r"^check:.*\n((?:\t.*\n)+)", MAKEFILE, flags=re.MULTILINE)
    assert checks is not None
    asked = [line.strip().removeprefix("@$(BIN)/").removesuffix(" .") for line in checks[1].splitlines()]
    assert [hook["entry"].removeprefix(".venv/bin/") for hook in local["hooks"]] == asked


def test_the_development_container_installs_with_make() -> None:
    described = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert described["postCreateCommand"] == "make install" and "python:3.11" in described["image"]
