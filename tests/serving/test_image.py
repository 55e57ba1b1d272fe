"""What requirements/serve.txt pins suffices for the service, and holds no TensorFlow."""

import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import ENVIRONMENT, ROOT

# Imports nothing but what these distributions hold, the standard library and the code of this folder.
FORECASTS = """
import re, sys
from importlib.metadata import packages_distributions

pinned = {re.sub("[-_.]+", "-", name).lower() for name in sys.argv[1:]}
hidden = {
    module for module, names in packages_distributions().items()
    if not pinned & {re.sub("[-_.]+", "-", name).lower() for name in names}
} - {"models", "tidegate"}

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())

import models.lecture, models.recurrent  # whatever the champion is
import pandas as pd
import tidegate.cli
from tidegate.serving import server
from tidegate.serving.app import Limits, make_app
from tidegate.serving.champion import Champion
from tidegate.workspace.settings import load_settings

champion = Champion(load_settings().register_.name, 10)
champion.refresh()
make_app(champion, Limits())
assert champion.state.loaded, champion.state.problem
rows = pd.read_parquet("artifacts/clean.parquet")
print(len(champion.state.loaded.forecaster.forecast(rows)))
"""


def pins(name: str) -> set[str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return {line.split()[0] for line in lines if "==" in line}


def test_the_service_is_pinned_as_everything_else_and_without_tensorflow() -> None:
    assert pins("serve.txt") <= pins("lock.txt")
    names = {pin.partition("==")[0] for pin in pins("serve.txt")}
    assert names.isdisjoint({"tensorflow", "keras", "great-expectations", "prefect", "dvc"}) and "fastapi" in names


@pytest.mark.slow
def test_the_service_needs_nothing_that_its_image_does_not_hold(trained: Path) -> None:
    names = sorted(pin.partition("==")[0] for pin in pins("serve.txt"))
    done = subprocess.run(
        [sys.executable, "-c", FORECASTS, *names], cwd=trained, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 18
