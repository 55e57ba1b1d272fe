"""The work pools that `tidegate up` serves."""

from pathlib import Path

import pytest
from workspaces import ask_for_pool

from tidegate.cli import servers


def test_a_pool_is_served_once_a_stage_asks_for_it(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    assert servers.asked_pools() == []
    ask_for_pool(workspace)
    assert servers.asked_pools() == ["gpu"]
