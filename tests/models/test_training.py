"""The recipe: what a net is shown, what its loss counts, how its steps are bounded, and which weights stand."""

import numpy as np
import pytest
from nets import NETS, PANEL, RECIPE, fitted, shared_model
from panels import all_starts, noise, spec_of

import models
from models.interface import Training
from models.recurrent import Options, build_net
from tidegate.windows.panel import Panel, evenly_spaced
from tidegate.workspace.progress import no_progress

gru_and_at_length_the_others = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "gru" else pytest.mark.long) for name in NETS]
)


@gru_and_at_length_the_others
def test_what_other_threads_draw_at_random_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import random

    from models.nets import training

    start = training.start_training

    def disturbed(*given: object) -> object:
        scope = start(*given)
        for _ in range(7):
            random.random()
            np.random.random()
        return scope

    starts = all_starts(PANEL)[:20]
    undisturbed = shared_model(name).predict(PANEL, starts).point
    monkeypatch.setattr(training, "start_training", disturbed)
    assert np.array_equal(fitted(name, PANEL).predict(PANEL, starts).point, undisturbed)


def test_the_first_layer_gathers_what_the_panel_holds() -> None:
    from models.nets.windowed import Gather

    panel = noise(spec_of(3, 2, lookback=5, horizon=2))
    starts = all_starts(panel)[::7]
    assert np.array_equal(Gather(panel.values, 0, 5)(starts), panel.past(starts)[0])
    assert np.array_equal(Gather(panel.values[..., :1], 5, 2)(starts), panel.future(starts)[0])


@pytest.mark.parametrize("rows", [1, 7, 4096])
def test_a_variable_holds_its_initial_values_whatever_becomes_of_the_array(rows: int) -> None:
    import keras

    from models.nets.engine import initial_values

    array = np.random.default_rng(rows).standard_normal((2 * rows, 3), np.float32)[::2]  # not contiguous either
    kept = array.copy()
    layer = keras.layers.Layer()
    variable = layer.add_weight(shape=array.shape, initializer=initial_values(array), trainable=False)
    array[:] = 0
    assert np.array_equal(np.asarray(variable), kept)
    variable.assign(2 * kept)
    assert np.array_equal(np.asarray(variable), 2 * kept)


@pytest.mark.parametrize("squared", [False, True])
def test_the_loss_leaves_out_targets_that_were_not_measured(squared: bool) -> None:
    from models.nets.outputs import cost_of
    from models.nets.training import start_training
    from models.nets.windowed import WindowedModel

    panel = noise(spec_of(2, 2, lookback=5, horizon=3), missing=0.4)
    start_training(0)
    net = build_net(Options(cell="gru", units=3), panel.spec)
    starts = all_starts(panel)[:9]
    model = WindowedModel(net, panel, cost_of("point", (0.5,), "mse" if squared else "mae"))
    forecast = np.asarray(model(starts))
    future, observed = panel.future(starts)
    cells = (forecast[..., 0] - future)[observed]
    expected = np.mean(cells**2) if squared else np.mean(np.abs(cells))
    assert float(model.compute_loss(x=starts, y_pred=forecast)) == pytest.approx(float(expected), rel=1e-5)


def test_missing_values_reach_a_net_only_with_their_flags() -> None:
    from models.nets.training import start_training
    from models.nets.windowed import WindowedModel

    panel = noise(spec_of(1, 2, lookback=5, horizon=3), missing=0.4)
    start_training(0)
    model = WindowedModel(build_net(Options(cell="rnn", units=3), panel.spec), panel)
    past = np.asarray(model.gathers["past"][0](all_starts(panel)))
    values, flags = past[..., :2], past[..., 2:]
    assert set(np.unique(flags)) == {0.0, 1.0}
    assert (values[flags == 0] == 0).all()


def test_each_epoch_draws_other_windows_and_none_twice() -> None:
    from models.nets.training import draw_batches

    starts = np.stack([np.zeros(100), np.arange(100)], axis=1).astype(np.int32)
    batches = draw_batches(starts, batches=4, batch=10, seed=5)
    epochs = [[int(step) for _ in range(4) for step in next(batches)[0][:, 1]] for _ in range(2)]
    assert all(len(set(epoch)) == 40 for epoch in epochs)
    assert epochs[0] != epochs[1]
    again = draw_batches(starts, batches=4, batch=10, seed=5)
    assert [int(step) for _ in range(4) for step in next(again)[0][:, 1]] == epochs[0]


@gru_and_at_length_the_others
def test_clipping_bounds_the_first_update(name: str) -> None:
    import keras

    from models.nets.outputs import cost_of
    from models.nets.training import start_training
    from models.nets.windowed import WindowedModel

    panel = noise(spec_of(1, 1, lookback=6, horizon=2), missing=0)
    wild = Panel.create(panel.values * 1e4, panel.observed, panel.spec)
    starts = all_starts(wild)[:16]

    def update(clip: float | None) -> float:
        start_training(0)
        net = build_net(Options(cell=name, units=4), panel.spec)  # type: ignore[arg-type]
        before = [weight.copy() for weight in net.get_weights()]
        model = WindowedModel(net, wild, cost_of("point", (0.5,), "mse"))
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
    history = model.fit(Training(panel, train, validation, recipe), no_progress)
    best = min(row["validation_loss"] for row in history)
    whole = len(validation) // 32 * 32
    assert len(history) <= 8
    chosen = evenly_spaced(validation, whole)
    reached = float(np.abs(model.predict(panel, chosen).point - panel.future(chosen)[0]).mean())
    assert reached == pytest.approx(best, rel=1e-4)


def test_clipping_by_value_bounds_each_step_of_the_optimiser() -> None:
    import keras

    from models.nets.training import optimizer_of

    optimizer = optimizer_of(RECIPE.model_copy(update={"clip_norm": None, "clip_value": 0.25}))
    clipped = optimizer._clip_gradients([keras.ops.convert_to_tensor([3.0, -0.1])])
    assert np.allclose(clipped[0], [0.25, -0.1])


def test_the_learning_rate_holds_and_then_decays() -> None:
    from models.nets.training import learning_rate

    held = {"learning_rate": 0.1, "learning_rate_hold_epochs": 2, "learning_rate_decay": 0.5}
    recipe = RECIPE.model_copy(update=held)
    assert [learning_rate(recipe, epoch) for epoch in range(5)] == [0.1, 0.1, 0.1, 0.05, 0.025]


def test_averaged_weights_are_validated_and_kept() -> None:
    panel = noise(spec_of(2, 1, lookback=8, horizon=3), 200, missing=0)
    recipe = RECIPE.model_copy(update={"epochs": 4, "averaging": 0.9, "learning_rate": 0.05, "patience_epochs": 9})
    model = models.make("x", {"family": "recurrent", "cell": "gru", "units": 6}, panel.spec)
    validation = all_starts(panel, 130)[:32]
    history = model.fit(Training(panel, all_starts(panel, end=130), validation, recipe), no_progress)
    reached = float(np.abs(model.predict(panel, validation).point - panel.future(validation)[0]).mean())
    assert reached == pytest.approx(min(row["validation_loss"] for row in history), rel=1e-4)
