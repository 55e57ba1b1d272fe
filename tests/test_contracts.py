"""What the parts of the house promise each other."""

import subprocess
import sys
from pathlib import Path

import grimp
import pytest
from ruamel.yaml import YAML
from workspaces import ROOT

import models
from tidegate.cli import app
from tidegate.workspace.settings import Settings

PIPELINE = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")
VERBS = {path.stem for path in (ROOT / "tidegate" / "stages").glob("[!_]*.py")}
NO_LOGIC = {"tidegate", "tidegate.stages"}  # packages that hold only a docstring and switches
GRAPH = grimp.build_graph("tidegate", "models", exclude_type_checking_imports=True)


def modules_behind(module: str) -> set[str]:
    return {module} | GRAPH.find_upstream_modules(module)


def file_of(module: str) -> str:
    path = Path(*module.split("."))
    return str(path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py"))


def covered(path: str, deps: list[str]) -> bool:
    return any(path == dep or path.startswith(f"{dep}/") for dep in deps)


def test_import_mlflow_is_the_installed_package() -> None:
    words = ["-c", "import mlflow; print(mlflow.__file__)"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "site-packages" in done.stdout
    assert not (ROOT / "mlflow" / "__init__.py").exists()


@pytest.mark.parametrize("stage", ["validate", "window", "diagnose", "evaluate", "register"])
def test_dvc_yaml_lists_every_module_that_a_stage_imports(stage: str) -> None:
    needed = modules_behind(f"tidegate.stages.{stage}") - NO_LOGIC
    if "models" in needed:  # and what it reaches by its table of families
        for module in models.FAMILIES.values():
            needed |= modules_behind(module) - NO_LOGIC
    missing = sorted(path for path in map(file_of, needed) if not covered(path, PIPELINE[stage]["deps"]))
    assert missing == []


@pytest.mark.parametrize("family", models.FAMILIES)
def test_dvc_yaml_lists_every_module_that_training_a_family_imports(family: str) -> None:
    deps = [dep.replace("${item.family}", family) for dep in PIPELINE["train"]["do"]["deps"]]
    needed = (modules_behind("tidegate.stages.train") | modules_behind(models.FAMILIES[family])) - NO_LOGIC
    assert sorted(path for path in map(file_of, needed) if not covered(path, deps)) == []


@pytest.mark.parametrize("stage", PIPELINE)
def test_dvc_yaml_lists_no_file_that_is_not_there(stage: str) -> None:
    deps = PIPELINE[stage].get("do", PIPELINE[stage])["deps"]
    code = [dep for dep in deps if dep.endswith(".py") and "${" not in dep]
    assert [dep for dep in code if not (ROOT / dep).exists()] == []


def test_a_family_lives_in_the_file_of_its_name() -> None:
    assert {family: f"models.{family}" for family in models.FAMILIES} == models.FAMILIES


def test_each_section_of_params_is_a_stage() -> None:
    of_no_stage = {"dataset", "models", "classify", "forecast", "verify", "watch", "runner"}
    assert set(PARAMS) - of_no_stage == VERBS == set(PIPELINE) | {"ingest"}
    assert {field.alias or name for name, field in Settings.model_fields.items()} == set(PARAMS)


def test_each_stage_calls_its_own_verb_and_declares_its_own_section() -> None:
    for name, stage in PIPELINE.items():
        body = stage.get("do", stage)
        assert body["cmd"].split()[:4] == ["python", "-m", "tidegate", name]
        assert name in body["params"]


def test_no_flow_bears_the_name_of_a_stage_or_a_package() -> None:
    flows = {path.stem for path in (ROOT / "flows").glob("[!_]*.py")}
    assert flows.isdisjoint(VERBS | {"models", "mlflow", "tidegate", "flows"})


def test_every_command_is_in_the_readme_and_shows_an_example() -> None:
    readme = (ROOT / "README.md").read_text()
    for command in (registered for registered in app.registered_commands if not registered.hidden):
        name = command.callback.__name__  # type: ignore[union-attr]
        assert f"tidegate {name}" in readme
        assert f"tidegate {name}" in (command.callback.__doc__ or "")


def test_locks_carry_hashes_and_no_address() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text and "--index" not in text
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#", "-"))]
        assert pins and all("==" in line and line.endswith("\\") for line in pins)
