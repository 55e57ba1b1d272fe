"""The stage evaluate stops at forecasts that are none."""

from pathlib import Path

import numpy as np
import pytest
from commands import invoke
from workspaces import copy_workspace

pytestmark = pytest.mark.slow


def test_forecasts_that_are_not_finite_close_the_gate(trained: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(trained, tmp_path / "workspace")
    weights = workspace / "artifacts" / "models" / "linear" / "weights.npz"
    with np.load(weights) as stored:
        kept = dict(stored)
    kept["bias"][-1] = np.nan  # of the last step ahead
    np.savez(weights, **kept)
    before = (workspace / "artifacts" / "evaluation" / "metrics.json").read_bytes()
    done = invoke(workspace, "evaluate", check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "linear's forecast for station S01 from 2024-0" in done.stderr and "is not finite" in done.stderr
    assert (workspace / "artifacts" / "evaluation" / "metrics.json").read_bytes() == before
