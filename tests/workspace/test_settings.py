"""params.yaml: what is refused, and in which words."""

from pathlib import Path

import pytest
from workspaces import ROOT, set_params

import models
from tidegate.errors import SettingsError
from tidegate.evaluation import metrics
from tidegate.quality import suite
from tidegate.workspace import settings

TEXT = (ROOT / "params.yaml").read_text()


def check(path: Path) -> None:
    loaded = settings.load_settings(path)
    models.check(loaded.models, loaded.window, loaded.train)
    metrics.check(loaded)
    suite.rules_of(loaded.validate_)


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        check(path)
    return str(caught.value)


def test_the_default_file_is_accepted() -> None:
    for path in (ROOT / "params.yaml", *ROOT.glob("examples/*/params.yaml")):
        check(path)


def test_an_unknown_key_is_refused_with_its_path_its_line_and_the_nearest_known_one(tmp_path: Path) -> None:
    text = TEXT.replace("lookback_steps:", "lookbak_steps:")
    line = text[: text.index("lookbak_steps")].count("\n") + 1
    message = refusal(tmp_path, text)
    assert f"line {line}" in message
    assert "window.lookbak_steps is not a known key; did you mean lookback_steps?" in message


def test_an_unknown_key_of_a_model_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, TEXT.replace("    cell: gru\n    units: 32", "    cell: gru\n    unitz: 32"))
    assert "models.gru.unitz is not a known key; did you mean units?" in message


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("window.horizon_steps", "a day", "window.horizon_steps is 'a day'"),
        ("window.horizon_steps", 0, "greater than or equal to 1"),
        ("window.test_share", 1.5, "less than 1"),
        ("window.test_share", 0.95, "leave nothing to train on"),
        ("dataset.season_steps", 99, "dataset.season_steps 99 is longer than window.lookback_steps 72"),
        ("train.epochs", "12", "train.epochs is '12': give a whole number, without quotes"),
        ("train.epochs", True, "train.epochs is True"),
        ("models.gru.units", "32", "models.gru.units is '32'"),
        ("dataset.variables.value", {"unit": "m"}, "no variable can be named value"),
        ("window", [1], "window is [1]: give a section of keys and values"),
        ("models.a b", {"family": "naive", "method": "last"}, "models"),
        ("dataset.targets", ["sunshine"], "'sunshine', which is not in dataset.variables"),
        ("dataset.covariates", ["temperature"], "named twice"),
        ("train.learning_rate", float("nan"), "finite number"),
        ("ingest.conflict", "newest", "'last', 'first' or 'refuse'"),
        ("evaluate.metric", "mape", "known: brier, crps, log_loss, mae, mase, rmse"),
        ("evaluate.metric", "brier", "evaluate.metric is brier: it is for alerts"),
        (
            "validate.rules.spikes",
            {"severity": "warn"},
            "validate.rules.spikes is not a known key; did you mean spike?",
        ),
        ("validate.rules.gap.severity", "quarantine", "gap finds no values that quarantine could hold"),
        ("validate.rules.stuck.tolerance", 2, "validate.rules.stuck.tolerance is 2"),
        ("models.gru.units", 0, "models.gru.units is 0"),
        ("models.gru.cell", "grru", "models.gru.cell is 'grru'"),
        ("models.gru.family", "recurent", "did you mean recurrent?"),
        ("dataset.variables.temperature.min", 90, "min 90 is not below max 55"),
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, place: str, value: object, words: str) -> None:
    (tmp_path / "params.yaml").write_text(TEXT)
    set_params(tmp_path, {place: value})
    message = refusal(tmp_path, (tmp_path / "params.yaml").read_text())
    assert words in message and "\n" not in message


def test_a_missing_key_a_bare_time_and_broken_yaml_are_refused(tmp_path: Path) -> None:
    assert "register.name is missing" in refusal(tmp_path, TEXT.replace("  name: tidegate\n", ""))
    assert "put it in quotes" in refusal(tmp_path, TEXT.replace('"2024-01-01T00:00:00Z"', "2024-01-01"))
    assert "line 3" in refusal(tmp_path, "ingest:\n  source: [\n")
    with pytest.raises(SettingsError, match="is not here"):
        settings.load_settings(tmp_path / "absent.yaml")


def test_settings_are_frozen() -> None:
    loaded = settings.load_settings(ROOT / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        loaded.train.seed = 2  # type: ignore[misc]


def test_errors_over_targets_of_several_units_bear_none_of_them() -> None:
    assert settings.load_settings(ROOT / "params.yaml").dataset.unit_of_targets == "°C"
    assert settings.load_settings(ROOT / "examples" / "ett" / "params.yaml").dataset.unit_of_targets == "mixed units"
