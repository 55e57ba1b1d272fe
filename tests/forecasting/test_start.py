"""What `tidegate forecast` imports: as little as it needs, for a start takes as long as its imports."""

from pathlib import Path

import pytest
from workspaces import copy_workspace, run_in

pytestmark = pytest.mark.slow

START = """
import sys
from tidegate.cli import main
sys.argv = ["tidegate", *sys.argv[1:]]
try:
    main()
finally:
    open("imported.txt", "w").write("\\n".join(sys.modules))
"""
NEVER = {"altair", "dvc", "great_expectations", "keras", "matplotlib", "prefect", "tensorflow", "vl_convert"}
NOT_FOR_READING = {"mlflow", "sqlalchemy"}


def imported(workspace: Path, *words: str) -> set[str]:
    """Run `tidegate` in a process of its own; name the libraries that it has imported."""
    run_in(workspace, "python", "-c", START, *words)
    return set((workspace / "imported.txt").read_text().splitlines())


def test_a_forecast_imports_no_library_that_it_does_not_need(trained: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(trained, tmp_path / "workspace", "forecasts")
    assert not imported(workspace, "forecast") & NEVER, "MLflow corrects the paths of a workspace that was moved"
    for words in (["forecast"], ["forecast", "--as-of", "2024-03-20"]):
        assert not imported(workspace, *words) & (NEVER | NOT_FOR_READING), words
    assert len(list((workspace / "forecasts").rglob("*.parquet"))) == 1
