"""A workspace with two versions of a cheap model, and a service over it."""

from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from commands import invoke
from ruamel.yaml import YAML
from serving import Service, serving
from workspaces import built_once, copy_workspace, set_params

from tidegate.tracking import registry


def add_second_version(trained: Path, folder: Path) -> None:
    """Copy a trained workspace, whose champion is version 1, and register another linear model as version 2."""
    copy_workspace(trained, folder)
    models = YAML(typ="safe").load(folder / "params.yaml")["models"]
    linear = {**models["linear"], "ridge": 1.0}
    set_params(folder, {"models": {"seasonal_naive": models["seasonal_naive"], "linear": linear}})
    for words in (["train", "linear"], ["evaluate"], ["register"]):
        invoke(folder, *words)
    with chdir(folder):
        champion = registry.champion("tidegate")
        assert champion is not None and str(champion.version) == "1"
        assert registry.version_numbers("tidegate") == ["1", "2"]


@pytest.fixture(scope="session")
def two_versions(shared: Path, trained: Path) -> Path:
    """A workspace with champion 1 and another version, 2. Tests leave its registry as it is."""
    return built_once(shared / "two-versions", lambda folder: add_second_version(trained, folder))


@pytest.fixture
def own_versions(two_versions: Path, tmp_path: Path) -> Path:
    """A copy of it, to change at will."""
    return copy_workspace(two_versions, tmp_path / "workspace", "logs")


@pytest.fixture(scope="module")
def service(two_versions: Path) -> Iterator[Service]:
    """A running service, whose bodies are at most 1 MiB."""
    with serving(two_versions, "--body-mib", "1") as running:
        yield running
