"""A version on trial forecasts in the champion's shadow, and verified forecasts decide between the two."""

from pathlib import Path

import pandas as pd
import pytest
from commands import invoke
from workspaces import built_once, copy_workspace, set_params

from tidegate.forecasting import shadow
from tidegate.forecasting.issue import issue_forecasts
from tidegate.pipeline import drive
from tidegate.tracking import champion_log, registry
from tidegate.tracking.champion_log import Entry
from tidegate.verification import trial
from tidegate.verification.summary import summary
from tidegate.verification.verify import verify
from tidegate.workspace import clock
from tidegate.workspace.progress import no_progress

pytestmark = pytest.mark.slow

NAME = "tidegate"
BEGIN, END = pd.Timestamp("2024-03-05", tz="UTC"), pd.Timestamp("2024-03-28", tz="UTC")
STAGES = (("validate",), ("window",), ("train", "seasonal_naive"), ("train", "linear"), ("evaluate",), ("register",))


def trained_with(folder: Path, shadow: str, **linear: object) -> None:
    """Train with these options of the linear candidate, and register; the clock stands at the begin."""
    section = {"family": "autoregressive", "ridge": 0.001, **linear}
    set_params(folder, {"register.shadow": shadow, "register.shadow_days": 21, "models.linear": section})
    with clock.set_to(BEGIN):
        for words in STAGES:
            invoke(folder, *words)


@pytest.fixture(scope="module")
def poor(shared: Path, cheap: Path) -> Path:
    """A workspace whose champion, version 1, hardly learns."""

    def build(folder: Path) -> None:
        copy_workspace(cheap, folder)
        trained_with(folder, "none", ridge=0.3)

    return built_once(shared / "poor", build)


@pytest.fixture(scope="module")
def challenged(shared: Path, poor: Path) -> Path:
    """The same with version 2, a better one, on trial."""

    def build(folder: Path) -> None:
        copy_workspace(poor, folder)
        trained_with(folder, "challenger")

    return built_once(shared / "challenged", build)


@pytest.fixture
def here(challenged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = copy_workspace(challenged, tmp_path / "workspace")
    monkeypatch.chdir(copy)
    return copy


def champion() -> str:
    found = registry.champion(NAME)
    assert found is not None
    return str(found.version)


def forecast_until(end: pd.Timestamp) -> str:
    """Forecast each hour from the begin on, with both; verify; give what is said of the one on trial."""
    span = (str(BEGIN), str(end))
    issue_forecasts(drive.checked_settings(), no_progress, None, span)
    said = shadow.forecast_beside(drive.checked_settings(), no_progress, None, span)
    verify(drive.checked_settings(), no_progress)
    return said


def settled(moment: pd.Timestamp) -> str:
    with clock.set_to(moment):
        return trial.settle(drive.checked_settings())


def log_of(alias: str) -> list[Entry]:
    return [entry for entry in champion_log.look(NAME) if entry.alias == alias]


def test_a_challenger_on_trial_becomes_champion_by_its_verified_forecasts(here: Path) -> None:
    assert champion() == "1" and [entry.version for entry in log_of("shadow")] == ["2"]
    assert "its verified forecasts decide within 21 days" in log_of("shadow")[0].because
    assert "no forecast of it has been verified yet" in settled(BEGIN)
    assert "by version 2 on trial, in shadow/forecasts/tidegate-v2" in forecast_until(END)
    assert summary()["version"].unique().tolist() == ["1"], "what is on trial is no issued forecast"
    early = settled(BEGIN + pd.Timedelta(days=3))
    assert early.startswith("version 2 is on trial") or early.startswith("version 2 is champion")
    said = settled(BEGIN + pd.Timedelta(days=20))
    assert champion() == "2", said
    last = log_of("champion")[-1]
    assert last.by == trial.POLICY and "in verified forecasts since 2024-03-05 (significance: Diebold" in last.because
    assert [entry.version for entry in log_of("shadow")] == ["2", ""]
    assert registry.bearer(NAME, "shadow") is None and trial.settle(drive.checked_settings()) == ""


def test_a_broken_champion_is_taken_back_for_the_former_one(here: Path) -> None:
    with clock.set_to(BEGIN):  # as if version 1 were a new champion that only looked better
        champion_log.move(NAME, "champion", "2", "the first", "the stage register")
        champion_log.move(NAME, "champion", "1", "looked better on the test span", "the stage register")
        champion_log.move(NAME, "shadow", "", "as a test needs it", "a test")
        champion_log.move(NAME, "shadow", "2", "version 1 has taken its place", "the stage register")
    forecast_until(END)
    assert settled(BEGIN + pd.Timedelta(days=20)).startswith("version 2 is champion")
    assert [entry.version for entry in log_of("champion")] == ["1", "2", "1", "2"]
    assert "Diebold–Mariano p" in log_of("champion")[-1].because


def test_the_former_champion_goes_on_in_the_shadow_and_its_trial_ends(
    poor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_workspace(poor, tmp_path / "workspace")
    monkeypatch.chdir(copy)
    trained_with(copy, "former")
    assert champion() == "2" and [entry.version for entry in log_of("shadow")] == ["1"]
    forecast_until(END)
    assert "version 1 is on trial" in settled(BEGIN + pd.Timedelta(days=20))
    assert settled(BEGIN + pd.Timedelta(days=21)).startswith("the trial of version 1 has ended: against version 2")
    assert champion() == "2" and registry.bearer(NAME, "shadow") is None


def test_a_person_s_decision_ends_a_trial(here: Path) -> None:
    invoke(here, "promote", "2", "--because", "it is good enough")
    assert "has ended: the champion has changed since it began" in settled(BEGIN + pd.Timedelta(days=1))
    assert champion() == "2"


def test_a_version_on_trial_that_cannot_forecast_stops_nobody(here: Path) -> None:
    model, _ = registry.version_files(registry.get_version(NAME, "2"))
    (model / "model.json").unlink()
    done = invoke(here, "forecast")
    assert "version 2, which is on trial, has not forecast: the files of tidegate version 2 are gone" in done.stdout


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_trial_whose_end_was_killed_is_ended_by_the_next_look(here: Path, moment: str) -> None:
    name = {"before": "set_alias", "after": "confirm"}[moment]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(champion_log._Log, name, _killed)
        champion_log.move(NAME, "shadow", "", "it has ended", "a test")
    champion_log.look(NAME)
    assert registry.bearer(NAME, "shadow") is None
    assert [entry.version for entry in log_of("shadow")] == ["2", ""] and all(entry.done for entry in log_of("shadow"))


def _killed(*_: object) -> None:
    raise KeyboardInterrupt
