"""What the tests of issued forecasts share."""

from pathlib import Path

import pytest
from workspaces import copy_workspace


@pytest.fixture
def here(issued: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the module's workspace of issued forecasts, to stand in and to change."""
    copy = copy_workspace(issued, tmp_path / "workspace")
    monkeypatch.chdir(copy)
    return copy
