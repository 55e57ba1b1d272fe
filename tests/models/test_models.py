"""What learns: every family keeps the interface's promises."""

from pathlib import Path

import numpy as np
import pytest
from nets import LEARNING, PANEL, RECIPE, SECTIONS, fitted, shared_model
from panels import all_starts, cycle, noise, spec_of

import models
from models.conformal import CalibratedModel
from tidegate.errors import SettingsError
from tidegate.windows.panel import Panel

every = pytest.mark.parametrize("name", SECTIONS)


def error(model: CalibratedModel, panel: Panel) -> float:
    starts = all_starts(panel, 165)
    return float(np.abs(model.predict(panel, starts).point - panel.future(starts)[0]).mean())


@every
def test_forecasts_have_a_value_for_each_step_and_target_and_are_finite(name: str) -> None:
    forecasts = shared_model(name).predict(PANEL, all_starts(PANEL)[:37]).point
    assert forecasts.shape == (37, 5, 2) and forecasts.dtype == np.float32
    assert np.isfinite(forecasts).all()


@every
def test_what_is_saved_forecasts_the_same_when_read_back(name: str, tmp_path: Path) -> None:
    model, starts = shared_model(name), all_starts(PANEL)[:50]
    models.save(model, SECTIONS[name], PANEL.spec, tmp_path)
    copy, spec = models.load(tmp_path)
    assert spec == PANEL.spec
    assert np.array_equal(model.predict(PANEL, starts).point, copy.predict(PANEL, starts).point)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in ("rnn", "lstm") else ()) for name in LEARNING]
)
def test_the_same_seed_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    content = []
    for fit in (shared_model, lambda name: fitted(name, PANEL)):
        folder = tmp_path / str(len(content))
        folder.mkdir()
        models.save(fit(name), SECTIONS[name], PANEL.spec, folder)
        content.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert content[0] == content[1]


def test_another_seed_gives_another_net() -> None:
    other = fitted("gru", PANEL, RECIPE.model_copy(update={"seed": 2}))
    one, another = (model.predict(PANEL, all_starts(PANEL)[:20]).point for model in (shared_model("gru"), other))
    assert not np.allclose(one, another)


@every
def test_a_future_value_never_changes_a_past_forecast(name: str) -> None:
    model, starts = shared_model(name), np.array([[0, 20], [1, 20]], np.int32)
    before = model.predict(PANEL, starts).point
    values = PANEL.values.copy()
    values[:, 28:] += 100
    assert np.array_equal(model.predict(Panel.create(values, PANEL.observed, PANEL.spec), starts).point, before)


@pytest.mark.parametrize("name", LEARNING)
def test_every_step_of_a_forecast_depends_on_the_newest_observation(name: str) -> None:
    panel = noise(PANEL.spec, steps=200, missing=0)
    model, starts = shared_model(name), np.array([[0, 20]], np.int32)
    values = panel.values.copy()
    values[0, 27] += 1
    after = model.predict(Panel.create(values, panel.observed, panel.spec), starts)
    moved = after.point - model.predict(panel, starts).point
    assert (np.abs(moved) > 1e-6).all()


@pytest.mark.parametrize(
    "name", ["linear", "lstm", *(pytest.param(name, marks=pytest.mark.long) for name in ("rnn", "gru"))]
)
def test_a_planted_cycle_is_learnt(name: str) -> None:
    panel = cycle(spec_of(2, 1, lookback=12, horizon=6, season=12))
    recipe = RECIPE.model_copy(update={"epochs": 30, "learning_rate_decay": 1.0, "patience_epochs": 30})
    model = fitted(name, panel, recipe)
    assert error(model, panel) < 0.5 * error(fitted("last", panel), panel)


def test_seasonal_naive_repeats_the_newest_observed_value_at_each_place_of_the_season() -> None:
    spec = spec_of(1, 1, lookback=8, horizon=6, season=4)
    values = np.arange(1, 9, dtype=np.float32).reshape(1, 8, 1)
    observed = np.ones((1, 8, 1), bool)
    observed[0, 5] = False  # place 1 of the season: a season earlier it was 2
    observed[0, [2, 6]] = False  # place 2: never observed, so what stands before it
    panel = Panel.create(np.where(observed, values, 0), observed, spec)
    model = models.make("naive", SECTIONS["seasonal"], spec)
    assert model.predict(panel, np.array([[0, 0]], np.int32)).point[0, :, 0].tolist() == [5, 2, 2, 8, 5, 2]


def test_drift_goes_on_along_the_line_through_what_was_observed() -> None:
    spec = spec_of(1, 1, lookback=6, horizon=3)
    values = np.array([0, 2, 9, 6, 8, 0], np.float32).reshape(1, 6, 1)
    observed = np.array([0, 1, 1, 1, 1, 0], bool).reshape(1, 6, 1)
    model = models.make("x", SECTIONS["drift"], spec)
    found = model.predict(Panel.create(values, observed, spec), np.array([[0, 0]], np.int32)).point
    assert found[0, :, 0].tolist() == [12, 14, 16]  # from 2 to 8 in three steps, and two steps more to the first


def test_the_lecture_learns_from_one_station_the_next_value_at_every_step() -> None:
    panel = noise(spec_of(2, 2, lookback=8, horizon=3), steps=200)
    model = models.make("x", {**SECTIONS["lecture"], "station": "S1"}, panel.spec)
    x, y, weight = model._sequences(panel, all_starts(panel, end=120))  # type: ignore[attr-defined]
    assert x.shape == y.shape == (len(x), 8, 1)
    assert np.array_equal(x.ravel(), panel.values[1, : 8 * len(x), 0])
    assert np.array_equal(y.ravel(), panel.values[1, 1 : 8 * len(x) + 1, 0])
    assert np.array_equal(weight.ravel(), panel.observed[1, 1 : 8 * len(x) + 1, 0])
    assert 8 * len(x) + 1 <= 120  # nothing beyond the training span
    with pytest.raises(SettingsError, match="'S9', which is unknown"):
        models.make("x", {**SECTIONS["lecture"], "station": "S9"}, panel.spec)


def test_the_lecture_walks_the_horizon_on_its_own_forecasts() -> None:
    panel = noise(spec_of(1, 1, lookback=8, horizon=3), steps=200, missing=0)
    model = fitted("lecture", panel).model
    past = panel.values[:, 20:28]
    expected = []
    for _ in range(3):
        expected.append(float(np.asarray(model.net(past))[0, -1, 0]))  # type: ignore[attr-defined]
        past = np.concatenate([past, np.full((1, 1, 1), expected[-1], np.float32)], axis=1)
    found = model.predict(panel, np.array([[0, 20]], np.int32)).point[0, :, 0]
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_net_file_with_code_in_it_is_not_loaded(tmp_path: Path) -> None:
    import keras

    from models.nets.files import load_old_net

    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs)).save(tmp_path / "net.keras")
    with pytest.raises(ValueError, match="safe_mode"):
        load_old_net(tmp_path / "net.keras")


def test_an_unknown_family_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="is 'transformer', which is unknown; known: autoregressive"):
        models.make("x", {"family": "transformer"}, spec_of(1, 1, 4, 2))
