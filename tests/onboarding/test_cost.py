"""What init says a run will cost."""

import re

import pytest
from workspaces import ROOT

from tidegate.onboarding.cost import expected_cost
from tidegate.workspace.settings import Settings, load_settings


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(ROOT)
    return load_settings()


def figures(settings: Settings, rows: int, features: int = 4) -> tuple[int, float]:
    text = expected_cost(settings, settings.window, rows, features)
    minutes, gigabytes = re.findall(r"[\d.]+", text.replace(",", ""))
    return int(minutes), float(gigabytes)


def test_the_default_takes_what_it_was_measured_to_take(settings: Settings) -> None:
    assert figures(settings, 104_508) == (1, 2.3)


def test_more_rows_and_larger_nets_cost_more(settings: Settings) -> None:
    minutes, gigabytes = figures(settings, 87_600_000)
    assert minutes > 20 and gigabytes > 4
    sections = {name: {**section, "units": 256} for name, section in settings.models.items() if "cell" in section}
    assert figures(settings.model_copy(update={"models": sections}), 104_508)[0] > 10
