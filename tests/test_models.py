"""What learns: every family keeps the interface's promises."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from panels import all_starts, cycle, noise, spec_of
from workspaces import ROOT

import models
from models.conformal import Calibrated
from tidegate import settings
from tidegate.errors import DataError, SettingsError
from tidegate.panel import Panel, spread
from tidegate.report import silent
from tidegate.settings import Train

RECIPE = settings.load(ROOT / "params.yaml").train.model_copy(
    update={"epochs": 3, "epoch_windows": 256, "batch_windows": 32, "patience_epochs": 3, "learning_rate": 0.01}
)
SECTIONS = {
    "seasonal": {"family": "naive", "method": "seasonal"},
    "last": {"family": "naive", "method": "last"},
    "drift": {"family": "naive", "method": "drift"},
    "linear": {"family": "autoregressive", "ridge": 1e-6},
    "short": {"family": "autoregressive", "order": 4, "normalise": "last"},
    "lecture": {"family": "lecture", "units": 6, "epochs": 2},
    "rnn": {"family": "recurrent", "cell": "rnn", "units": 8},
    "lstm": {"family": "recurrent", "cell": "lstm", "units": 8},
    "gru": {"family": "recurrent", "cell": "gru", "units": 8, "layers": 2, "dropout": 0.1},
}
LEARN = ["linear", "short", "lecture", "rnn", "lstm", "gru"]
NETS = ["rnn", "lstm", "gru"]
every = pytest.mark.parametrize("name", SECTIONS)


def fitted(name: str, panel: Panel, recipe: Train = RECIPE) -> Calibrated:
    train, validation = all_starts(panel, end=120), all_starts(panel, 130, 160)
    return models.fit(name, SECTIONS[name], panel, train, validation, recipe, silent)[0]


def error(model: Calibrated, panel: Panel) -> float:
    starts = all_starts(panel, 165)
    return float(np.abs(model.predict(panel, starts).point - panel.future(starts)[0]).mean())


@every
def test_forecasts_have_a_value_for_each_step_and_target_and_are_finite(name: str) -> None:
    panel = noise(spec_of(2, 3, lookback=8, horizon=5, targets=2), steps=200)
    forecasts = fitted(name, panel).predict(panel, all_starts(panel)[:37]).point
    assert forecasts.shape == (37, 5, 2) and forecasts.dtype == np.float32
    assert np.isfinite(forecasts).all()


@every
def test_what_is_saved_forecasts_the_same_when_read_back(name: str, tmp_path: Path) -> None:
    panel = noise(spec_of(2, 3, lookback=8, horizon=5, targets=2), steps=200)
    model, starts = fitted(name, panel), all_starts(panel)[:50]
    models.save(model, SECTIONS[name], panel.spec, tmp_path)
    copy, spec = models.load(tmp_path)
    assert spec == panel.spec
    assert np.array_equal(model.predict(panel, starts).point, copy.predict(panel, starts).point)


@pytest.mark.parametrize("name", LEARN)
def test_the_same_seed_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    panel = noise(spec_of(2, 2, lookback=8, horizon=3), steps=200)
    content = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        models.save(fitted(name, panel), SECTIONS[name], panel.spec, folder)
        content.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert content[0] == content[1]


@pytest.mark.parametrize("name", NETS)
def test_what_other_threads_draw_at_random_changes_nothing(name: str) -> None:
    import random

    panel = noise(spec_of(2, 2, lookback=8, horizon=3), steps=200)
    starts = all_starts(panel)[:20]

    def forecasts(draws: int) -> np.ndarray:
        from models.nets import training

        begin = training.begin

        def disturbed(seed: int, device: str) -> None:
            begin(seed, device)
            for _ in range(draws):
                random.random()
                np.random.random()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training, "begin", disturbed)
            return fitted(name, panel).predict(panel, starts).point

    assert np.array_equal(forecasts(0), forecasts(7))


def test_another_seed_gives_another_net() -> None:
    panel = noise(spec_of(2, 2, lookback=8, horizon=3), steps=200)
    starts = all_starts(panel)[:20]
    other = RECIPE.model_copy(update={"seed": 2})
    one, another = (fitted("gru", panel, recipe).predict(panel, starts).point for recipe in (RECIPE, other))
    assert not np.allclose(one, another)


@every
def test_a_future_value_never_changes_a_past_forecast(name: str) -> None:
    panel = noise(spec_of(2, 2, lookback=8, horizon=3), steps=200)
    model, starts = fitted(name, panel), np.array([[0, 20], [1, 20]], np.int32)
    before = model.predict(panel, starts).point
    values = panel.values.copy()
    values[:, 28:] += 100
    assert np.array_equal(model.predict(Panel.of(values, panel.observed, panel.spec), starts).point, before)


@pytest.mark.parametrize("name", LEARN)
def test_every_step_of_a_forecast_depends_on_the_newest_observation(name: str) -> None:
    panel = noise(spec_of(1, 1, lookback=8, horizon=5), steps=200, missing=0)
    model, starts = fitted(name, panel), np.array([[0, 20]], np.int32)
    values = panel.values.copy()
    values[0, 27] += 1
    after = model.predict(Panel.of(values, panel.observed, panel.spec), starts)
    moved = after.point - model.predict(panel, starts).point
    assert (np.abs(moved) > 1e-6).all()


@pytest.mark.parametrize("name", [name for name in LEARN if name not in ("short", "lecture")])
def test_a_planted_cycle_is_found(name: str) -> None:
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
    panel = Panel.of(np.where(observed, values, 0), observed, spec)
    model = models.make("naive", SECTIONS["seasonal"], spec)
    assert model.predict(panel, np.array([[0, 0]], np.int32)).point[0, :, 0].tolist() == [5, 2, 2, 8, 5, 2]


def test_drift_goes_on_along_the_line_through_what_was_observed() -> None:
    spec = spec_of(1, 1, lookback=6, horizon=3)
    values = np.array([0, 2, 9, 6, 8, 0], np.float32).reshape(1, 6, 1)
    observed = np.array([0, 1, 1, 1, 1, 0], bool).reshape(1, 6, 1)
    model = models.make("x", SECTIONS["drift"], spec)
    found = model.predict(Panel.of(values, observed, spec), np.array([[0, 0]], np.int32)).point
    assert found[0, :, 0].tolist() == [12, 14, 16]  # from 2 to 8 in three steps, and two steps more to the first


def test_linear_autoregression_of_one_series_is_the_autoregression_of_statsmodels() -> None:
    from statsmodels.tsa.ar_model import AutoReg

    rng, series = np.random.default_rng(0), [0.0, 0.0, 0.0]
    for _ in range(400):
        series.append(0.5 * series[-1] - 0.3 * series[-2] + 0.2 * series[-3] + rng.standard_normal())
    spec = spec_of(1, 1, lookback=3, horizon=1)
    values = np.array(series, np.float32).reshape(1, -1, 1)
    panel = Panel.of(values, np.ones(values.shape, bool), spec)
    model = models.make("x", {"family": "autoregressive", "ridge": 1e-12}, spec)
    starts = all_starts(panel)
    model.fit(panel, starts, starts, RECIPE, silent)
    twin = AutoReg(values[0, :, 0].astype(np.float64), lags=3).fit()
    weights = model.weights[:, 0]  # type: ignore[attr-defined]
    assert np.allclose(weights[::-1], twin.params[1:], atol=1e-4)
    assert float(model.bias[0]) == pytest.approx(twin.params[0], abs=1e-4)  # type: ignore[attr-defined]


def test_linear_autoregression_uses_what_is_known_ahead() -> None:
    spec = dataclasses.replace(spec_of(2, 2, lookback=4, horizon=3), known=("f1",))
    panel = noise(spec, steps=300, missing=0)
    panel.values[:, 1:, 0] = 2 * panel.values[:, 1:, 1]  # the target is twice what is known of its own step
    starts = all_starts(panel, first=1)
    model = models.make("x", {"family": "autoregressive", "ridge": 1e-9}, spec)
    model.fit(panel, starts, starts, RECIPE, silent)
    assert np.allclose(model.predict(panel, starts).point, panel.future(starts)[0], atol=1e-3)


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


def test_linear_autoregression_is_ridge_regression_on_the_flattened_lookback() -> None:
    from sklearn.linear_model import Ridge

    panel = noise(spec_of(2, 2, lookback=4, horizon=3), steps=200, missing=0)
    starts = all_starts(panel, end=120)
    model = models.make("linear", {"family": "autoregressive", "ridge": 0.5}, panel.spec)
    model.fit(panel, starts, starts, RECIPE, silent)
    x, y = panel.past(starts)[0].reshape(len(starts), -1), panel.future(starts)[0].reshape(len(starts), -1)
    twin = Ridge(alpha=0.5 * len(starts)).fit(x.astype(np.float64), y.astype(np.float64))
    assert np.allclose(model.predict(panel, starts).point.reshape(len(starts), -1), twin.predict(x), atol=1e-5)


def test_linear_autoregression_learns_from_windows_with_all_targets_measured_or_says_so() -> None:
    panel = noise(spec_of(1, 1, lookback=4, horizon=3), steps=200, missing=1.0)
    with pytest.raises(DataError, match="No training window has all 3 target steps"):
        fitted("linear", panel)


def test_the_first_layer_gathers_what_the_panel_holds() -> None:
    from models.nets.windowed import Gather

    panel = noise(spec_of(3, 2, lookback=5, horizon=2))
    starts = all_starts(panel)[::7]
    assert np.array_equal(Gather(panel.values, 0, 5)(starts), panel.past(starts)[0])
    assert np.array_equal(Gather(panel.values[..., :1], 5, 2)(starts), panel.future(starts)[0])


@pytest.mark.parametrize("squared", [False, True])
def test_the_loss_leaves_out_targets_that_were_not_measured(squared: bool) -> None:
    from models.nets.outputs import cost_of
    from models.nets.training import begin
    from models.nets.windowed import Windowed
    from models.recurrent import Options, build_net

    panel = noise(spec_of(2, 2, lookback=5, horizon=3), missing=0.4)
    begin(0)
    net = build_net(Options(cell="gru", units=3), panel.spec)
    starts = all_starts(panel)[:9]
    model = Windowed(net, panel, cost_of("point", (0.5,), "mse" if squared else "mae"))
    forecast = np.asarray(model(starts))
    future, observed = panel.future(starts)
    cells = (forecast[..., 0] - future)[observed]
    expected = np.mean(cells**2) if squared else np.mean(np.abs(cells))
    assert float(model.compute_loss(x=starts, y_pred=forecast)) == pytest.approx(float(expected), rel=1e-5)


def test_missing_values_reach_a_net_only_with_their_flags() -> None:
    from models.nets.training import begin
    from models.nets.windowed import Windowed
    from models.recurrent import Options, build_net

    panel = noise(spec_of(1, 2, lookback=5, horizon=3), missing=0.4)
    begin(0)
    model = Windowed(build_net(Options(cell="rnn", units=3), panel.spec), panel)
    past = np.asarray(model.gathers["past"][0](all_starts(panel)))
    values, flags = past[..., :2], past[..., 2:]
    assert set(np.unique(flags)) == {0.0, 1.0}
    assert (values[flags == 0] == 0).all()


def test_each_epoch_draws_other_windows_and_none_twice() -> None:
    from models.nets.training import drawn

    starts = np.stack([np.zeros(100), np.arange(100)], axis=1).astype(np.int32)
    batches = drawn(starts, batches=4, batch=10, seed=5)
    epochs = [[int(step) for _ in range(4) for step in next(batches)[0][:, 1]] for _ in range(2)]
    assert all(len(set(epoch)) == 40 for epoch in epochs)
    assert epochs[0] != epochs[1]
    again = drawn(starts, batches=4, batch=10, seed=5)
    assert [int(step) for _ in range(4) for step in next(again)[0][:, 1]] == epochs[0]


@pytest.mark.parametrize("name", NETS)
def test_clipping_bounds_the_first_update(name: str) -> None:
    import keras

    from models.nets.outputs import cost_of
    from models.nets.training import begin
    from models.nets.windowed import Windowed
    from models.recurrent import Options, build_net

    panel = noise(spec_of(1, 1, lookback=6, horizon=2), missing=0)
    wild = Panel.of(panel.values * 1e4, panel.observed, panel.spec)
    starts = all_starts(wild)[:16]

    def update(clip: float | None) -> float:
        begin(0)
        net = build_net(Options(cell=name, units=4), panel.spec)  # type: ignore[arg-type]
        before = [weight.copy() for weight in net.get_weights()]
        model = Windowed(net, wild, cost_of("point", (0.5,), "mse"))
        model.compile(keras.optimizers.SGD(1.0, global_clipnorm=clip), jit_compile=False)
        model.train_on_batch(starts)
        return float(np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(net.get_weights(), before, strict=True))))

    assert update(0.5) == pytest.approx(0.5, rel=1e-3)
    assert update(None) > 10


def test_the_weights_of_the_best_epoch_stand() -> None:
    panel = noise(spec_of(2, 1, lookback=8, horizon=3), steps=200, missing=0)
    recipe = RECIPE.model_copy(update={"epochs": 8, "patience_epochs": 2, "learning_rate": 0.5})
    model = models.make("gru", {"family": "recurrent", "cell": "gru", "units": 8}, panel.spec)
    train, validation = all_starts(panel, end=120), all_starts(panel, 130, 160)
    history = model.fit(panel, train, validation, recipe, silent)
    best = min(row["validation_loss"] for row in history)
    whole = len(validation) // 32 * 32
    assert len(history) <= 8
    chosen = spread(validation, whole)
    reached = float(np.abs(model.predict(panel, chosen).point - panel.future(chosen)[0]).mean())
    assert reached == pytest.approx(best, rel=1e-4)


def test_a_net_file_with_code_in_it_is_not_loaded(tmp_path: Path) -> None:
    import keras

    from models.nets.files import load_net

    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs)).save(tmp_path / "net.keras")
    with pytest.raises(ValueError, match="safe_mode"):
        load_net(tmp_path / "net.keras")


def test_an_unknown_family_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="is 'transformer', which is unknown; known: autoregressive"):
        models.make("x", {"family": "transformer"}, spec_of(1, 1, 4, 2))
