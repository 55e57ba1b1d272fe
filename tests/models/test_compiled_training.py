"""Trainings that are compiled have the losses of Keras' own loops."""

from typing import Any, Literal

import keras
import numpy as np
import pytest
import tensorflow as tf
from interrupted import RECIPE
from panels import all_starts, noise, spec_of

import models
from models.interface import Training
from models.nets import engine, recurrences, training
from models.recurrent import Options, build_net
from tidegate.workspace.progress import no_progress

LAYERS = {"rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_written_backward_pass_is_the_derivative_that_keras_takes(
    cell: str, sequences: bool, backwards: bool
) -> None:
    rng, kind = np.random.default_rng(0), LAYERS[cell]
    inputs = rng.standard_normal((5, 7, 3)).astype(np.float32)
    options = {"return_sequences": sequences, "return_state": True, "go_backwards": backwards}
    layers = [getattr(module, kind)(4, **options) for module in (keras.layers, recurrences)]
    layers[0].build(inputs.shape)
    weights = [rng.normal(scale=0.5, size=weight.shape) for weight in layers[0].get_weights()]

    def derivatives(layer: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            read = tf.constant(inputs)
            tape.watch(read)
            outputs = layer(read)
            loss = sum(tf.reduce_sum(tf.sin(output * (1 + index))) for index, output in enumerate(outputs))
        return [*outputs, *tape.gradient(loss, [read, *(weight.value for weight in layer.trainable_variables)])]

    found = []
    for layer in layers:
        layer.build(inputs.shape)
        layer.set_weights(weights)
        found.append(tf.function(lambda layer=layer: derivatives(layer))())
    for one, other in zip(*found, strict=True):
        assert np.allclose(one, other, rtol=1e-5, atol=1e-5)


def losses(monkeypatch: pytest.MonkeyPatch, section: dict[str, Any], compiled: bool) -> list[list[float]]:
    """Give the losses of training and validation in the first twenty steps, of a net that draws nothing at random.

    XLA has its own generator.
    """
    panel = noise(spec_of(2, 2, lookback=12, horizon=4), 200)
    with monkeypatch.context() as changed:
        changed.setattr(training, "WORTH_COMPILING", 0 if compiled else 10**9)
        if not compiled:
            changed.setattr(engine, "writes_loops", lambda: False)
        recipe = RECIPE.model_copy(update={"epochs": 20, "epoch_windows": 32, "batch_windows": 32, "loss": "mse"})
        given = Training(panel, all_starts(panel, end=130), all_starts(panel, 130), recipe)
        history = models.fit("x", {"family": "recurrent", **section}, given, no_progress)[1]
        return [[row["train_loss"], row["validation_loss"]] for row in history]


@pytest.mark.parametrize(
    "section",
    [
        {"cell": "lstm", "units": 6, "layer_norm": True},
        {"cell": "gru", "units": 6, "segment": 4, "normalise": "last", "station_embedding": 2},
        pytest.param({"cell": "rnn", "units": 6}, marks=pytest.mark.long),
        pytest.param(
            {"cell": "lstm", "units": 6, "layers": 2, "bidirectional": True, "layer_norm": True}, marks=pytest.mark.long
        ),
        pytest.param(
            {"cell": "gru", "units": 6, "layers": 2, "residual": True, "output": "gaussian"}, marks=pytest.mark.long
        ),
        pytest.param(
            {
                "cell": "gru",
                "units": 6,
                "segment": 4,
                "head": "queries",
                "channels": "independent",
                "normalise": "last",
            },
            marks=pytest.mark.long,
        ),
        pytest.param({"cell": "lstm", "units": 6, "head": "recursive", "output": "quantiles"}, marks=pytest.mark.long),
    ],
)
def test_the_first_losses_are_those_of_keras_own_loops(
    section: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, compiled = (losses(monkeypatch, section, each) for each in (False, True))
    assert len(plain) == 20 and len({train for train, _ in plain}) == 20
    assert np.allclose(compiled, plain, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("cell", "units", "segment", "batch", "parts"),
    [
        ("lstm", 64, 1, 31, 1),
        ("lstm", 64, 1, 32, 2),  # of 16 windows: the gates of 8 would fit into a cache
        ("lstm", 64, 1, 37, 1),  # a prime number
        ("lstm", 64, 1, 99, 3),
        ("lstm", 64, 1, 1024, 64),
        ("rnn", 64, 1, 32, 2),
        ("rnn", 64, 1, 256, 8),  # of 32
        ("gru", 256, 24, 256, 2),  # of 128, for there are but four tokens
    ],
)
def test_a_batch_is_divided_into_equal_parts_that_fit_into_a_cache(
    cell: Literal["rnn", "lstm", "gru"], units: int, segment: int, batch: int, parts: int
) -> None:
    net = build_net(Options(cell=cell, units=units, segment=segment), spec_of(1, 1, lookback=96, horizon=24))
    assert training.parts_of(batch, net) == parts


class Drawing(engine.Trainable):
    """A model whose cost is its weight, times a random number for each window, times the window's start."""

    parts = 2

    def __init__(self) -> None:
        super().__init__()
        self.factor = self.add_weight(shape=(), initializer="zeros")
        self.generator = keras.random.SeedGenerator(7)
        self.built = True

    def sums(self, starts: Any, training: bool) -> tuple[Any, Any]:
        drawn = keras.random.uniform((1,), seed=self.generator)
        return keras.ops.sum(self.factor * drawn * keras.ops.cast(starts[:, 1], "float32")), 1.0


def test_each_part_of_a_batch_and_each_step_draws_random_numbers_of_its_own() -> None:
    def gradients() -> list[float]:
        model, factors, group = Drawing(), [0.0], np.array([[[0, 1], [0, -1]]])
        model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
        for _ in range(3):
            model.fit((each for each in [(group,)]), steps_per_epoch=1, shuffle=False, verbose=0)
            factors.append(float(model.factor.numpy()))
        assert model.generator.state.numpy().tolist() == [7, 3]
        return np.diff(factors).tolist()

    differences = gradients()  # between what two parts drew in a step
    assert 0.0 not in differences and len(set(differences)) == 3
    assert gradients() == differences


def test_a_group_of_batches_holds_them_in_their_order_and_an_epochs_last_is_filled_up() -> None:
    starts = np.stack([np.zeros(200), np.arange(200)], axis=1).astype(np.int32)
    drawn = [training.draw_batches(starts, batches=20, batch=5, seed=1) for _ in range(2)]
    groups = training.group_batches(drawn[0], 20)
    for _ in range(2):
        (first,), (last,) = next(groups), next(groups)
        assert first.shape == last.shape == (training.STEPS_AN_EXECUTION, 5, 2)
        expected = [next(drawn[1])[0] for _ in range(20)]
        assert np.array_equal(np.concatenate([first, last[:4]]), expected) and (last[4:] == -1).all()


def test_a_short_training_is_not_compiled_and_a_long_one_is() -> None:
    net = build_net(Options(cell="gru", units=3, layers=2), spec_of(1, 1, lookback=50, horizon=2))
    assert not training.is_worth_compiling(net, steps=199)
    assert training.is_worth_compiling(net, steps=200)
