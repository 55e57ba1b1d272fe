"""One tiny workspace, trained once for all tests that need one."""

import shutil
from pathlib import Path

import pytest
from workspaces import REAL_DATA, make_workspace, run_in


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which `tidegate run` has run once. Tests leave it as it is."""
    workspace = make_workspace(tmp_path_factory.mktemp("trained"))
    (workspace / "transcript.txt").write_text(run_in(workspace, "tidegate", "run").stdout)
    return workspace


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained workspace to change at will, with a registry of its own."""
    copy = tmp_path / "workspace"
    shutil.copytree(trained, copy, symlinks=True, ignore=shutil.ignore_patterns("mlflow", "logs"))
    (copy / "mlflow").mkdir()
    return copy


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A fresh workspace."""
    return make_workspace(tmp_path)


@pytest.fixture(scope="session")
def beijing() -> Path:
    """The folder of the Beijing air-quality files."""
    folder = REAL_DATA / "beijing"
    if not folder.exists():
        pytest.skip(f"{folder} is not here")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that no core waits for one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
