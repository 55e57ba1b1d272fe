"""One tiny workspace, trained once for all tests that need one."""

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
