"""Forecasts in NumPy are those of Keras, whatever the options, and need neither Keras nor TensorFlow."""

import gc
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from combinations import Combination, covering
from nets import SHORT_RECIPE
from panels import all_starts, noise, spec_of
from workspaces import ROOT, run_in

import models
from models import equations, lecture, recurrent
from models.interface import Training
from models.nets import batches, structure
from models.nets.numpy_cells import GRU, LSTM, RNN, Cell
from tidegate.windows.calendar import calendar_columns
from tidegate.windows.panel import Panel
from tidegate.windows.spec import WindowSpec
from tidegate.workspace import settings
from tidegate.workspace.progress import no_progress

TOLERANCE = 1e-5  # of the deviation in training
WINDOW = settings.load_settings(ROOT / "params.yaml").window
OPTIONS: dict[str, list[Any]] = {
    "cell": ["rnn", "lstm", "gru"],
    "units": [7],
    "layers": [1, 2],
    "bidirectional": [False, True],
    "layer_norm": [False, True],
    "residual": [False, True],
    "dropout": [0.0, 0.3],
    "segment": [1, 4],
    "channels": ["mixed", "independent"],
    "normalise": ["none", "last", "standard"],
    "head": ["direct", "queries", "recursive"],
    "teacher_forcing": [0.0, 0.5],
    "station_embedding": [0, 3],
    "output": ["point", "quantiles", "gaussian"],
}
WINDOWS: dict[str, list[Any]] = {
    "targets": [1, 3],
    "past": [0, 1],
    "known": [0, 1],
    "calendar": [(), ("hour", "weekday")],
    "static": [False, True],
    "alert": [None, ("above", 1.0)],
}
RICH = {
    "cell": "gru", "units": 7, "layers": 2, "bidirectional": True, "layer_norm": True, "residual": True, "dropout": 0.3,
    "segment": 4, "channels": "independent", "normalise": "last", "head": "queries", "teacher_forcing": 0.0,
    "station_embedding": 3, "output": "quantiles", "targets": 3, "past": 1, "known": 1,
    "calendar": ("hour", "weekday"), "static": True, "alert": None,
}  # fmt: skip


def options_of(combination: Combination) -> recurrent.Options:
    return recurrent.Options(**{name: combination[name] for name in OPTIONS})


def allowed(combination: Combination) -> bool:
    alert = combination["alert"]
    window = WINDOW.model_copy(update={"lookback_steps": 8, "alert": alert and settings.Alert(above=1.0)})
    return options_of(combination).refusal(window) is None and not (alert and combination["targets"] > 1)


def spec_for(combination: Combination) -> WindowSpec:
    targets, past, known = (combination[name] for name in ("targets", "past", "known"))
    spec = spec_of(3, targets + past + known, lookback=8, horizon=6, targets=targets)
    return replace(
        spec, known=spec.features[targets + past :], calendar=combination["calendar"], alert=combination["alert"],
        static=((1.0, 0.5), (-1.0, 0.0), (0.0, 1.0)) if combination["static"] else (), quantiles=(0.1, 0.4, 0.5, 0.9),
    )  # fmt: skip


def panel_of(spec: WindowSpec, steps: int = 120) -> Panel:
    calendar = np.random.default_rng(1).uniform(-1, 1, (steps, len(calendar_columns(spec.calendar))))
    return replace(noise(spec, steps, missing=0.2), calendar=calendar.astype(np.float32))


def family_of(combination: Combination) -> recurrent.Family:
    """Make a net with weights drawn at random, biases included."""
    family, rng = recurrent.Family(options_of(combination), spec_for(combination)), np.random.default_rng(0)
    shapes = structure.weight_shapes(family.options, family.spec).values()
    weights = [rng.normal(scale=0.3, size=shape).astype(np.float32) for shape in shapes]
    family.inference = recurrent.RecurrentNet(family.options, family.spec, weights)
    return family


def assert_forecasts_as_keras_does(family: Any, panel: Panel) -> None:
    starts = all_starts(panel)[::4]
    found, expected = family.predict(panel, starts), family.predict_with_keras(panel, starts)
    assert np.abs(found.point - expected.point).max() <= TOLERANCE
    assert found.point.dtype == np.float32
    assert (found.quantiles is None) == (expected.quantiles is None)
    if found.quantiles is not None:
        assert np.abs(found.quantiles - expected.quantiles).max() <= TOLERANCE


def named(combination: Combination) -> str:
    return " ".join(str(value) for value in combination.values())


PAIRS = covering(OPTIONS | WINDOWS, 2, allowed)


@pytest.mark.parametrize("combination", PAIRS, ids=named)
def test_a_forecast_is_that_of_keras_with_every_pair_of_options(combination: Combination) -> None:
    assert_forecasts_as_keras_does(family_of(combination), panel_of(spec_for(combination)))


@pytest.mark.long
def test_a_forecast_is_that_of_keras_with_every_triple_of_options() -> None:
    for combination in covering(OPTIONS | WINDOWS, 3, allowed):
        assert_forecasts_as_keras_does(family_of(combination), panel_of(spec_for(combination)))


def test_the_lectures_forecast_is_that_of_keras() -> None:
    panel = noise(spec_of(2, 3, lookback=8, horizon=5, targets=2), missing=0.2)
    family, rng = lecture.Family(lecture.Options(units=6), panel.spec), np.random.default_rng(0)
    shapes = [(2, 24), (6, 24), (24,), (6, 2), (2,)]
    weights = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    family.inference = lecture.LectureNet(6, 2, weights)
    assert_forecasts_as_keras_does(family, panel)


@pytest.mark.parametrize("scale", [0.5, 200.0], ids=["usual", "saturated"])
def test_cells_follow_the_equations_of_the_lecture(scale: float) -> None:
    rng, units, columns = np.random.default_rng(0), 5, 3

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(scale=scale, size=shape).astype(np.float32)

    x, h0 = draw(7, columns), np.zeros(units)
    kernel, recurrent_kernel, bias = draw(columns, units), draw(units, units), draw(units)
    readout = np.zeros((1, units)), np.zeros(1)
    expected = equations.rnn(equations.RNN(kernel.T, recurrent_kernel.T, bias, *readout), x, h0)[0]
    assert_last_state(RNN(kernel, recurrent_kernel, bias), x, expected)
    kernel, recurrent_kernel, bias = draw(columns, 4 * units), draw(units, 4 * units), draw(4 * units)
    expected = equations.lstm(equations.LSTM(kernel.T, recurrent_kernel.T, bias), x, h0, h0)[0]
    assert_last_state(LSTM(kernel, recurrent_kernel, bias), x, expected)
    kernel, recurrent_kernel, both = draw(columns, 3 * units), draw(units, 3 * units), draw(2, 3 * units)
    expected = equations.gru(equations.GRU(kernel.T, recurrent_kernel.T, *both), x, h0)
    assert_last_state(GRU(kernel, recurrent_kernel, both), x, expected)


def assert_last_state(cell: Cell, x: np.ndarray, expected: np.ndarray) -> None:
    rows = np.repeat(x[:, :, None], 4, axis=2)
    with np.errstate(over="ignore"):
        state = cell.run(rows)
    assert np.allclose(state.hidden, expected[-1][:, None], rtol=0, atol=TOLERANCE)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a net that was trained a little, and is calibrated."""
    panel, folder = panel_of(spec_for(RICH)), tmp_path_factory.mktemp("net")
    section = {"family": "recurrent", **{name: RICH[name] for name in OPTIONS}}
    training = Training(panel, all_starts(panel, end=80), all_starts(panel, 80), SHORT_RECIPE)
    models.save(models.fit("net", section, training, no_progress)[0], section, panel.spec, folder)
    return folder


FORECAST = """
import sys
import numpy as np
import models
from tidegate.windows.panel import Panel

model, spec = models.load(__import__("pathlib").Path(sys.argv[1]))
shape = (len(spec.stations), 30, len(spec.features))
panel = Panel.create(np.ones(shape, np.float32), np.ones(shape, bool), spec, np.ones((30, 4), np.float32))
forecasts = model.predict(panel, np.array([[0, 2], [1, 3]], np.int32))
assert np.isfinite(forecasts.quantiles).all()
print(*{"keras", "tensorflow", "jax", "torch", "mlflow", "prefect", "great_expectations"} & set(sys.modules))
"""


def test_a_forecast_in_a_fresh_process_imports_neither_keras_nor_tensorflow(saved: Path) -> None:
    assert run_in(ROOT, "python", "-c", FORECAST, str(saved)).stdout.strip() == ""


def test_what_was_trained_forecasts_the_same_bits_in_another_process(saved: Path) -> None:
    panel = panel_of(spec_for(RICH))
    one, other = (models.load(saved)[0].predict(panel, all_starts(panel)) for _ in range(2))
    assert np.array_equal(one.point, other.point) and np.array_equal(one.quantiles, other.quantiles)


def test_the_bits_do_not_depend_on_the_cores(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = noise(spec_for(RICH), steps=800)
    panel = replace(panel, calendar=np.ones((800, 4), np.float32))
    starts, model = all_starts(panel), models.load(saved)[0].model
    found = []
    for cores in (1, 3):
        monkeypatch.setattr(batches, "available_cores", lambda cores=cores: cores)
        found.append(model.predict(panel, starts).point)
    assert len(starts) > 4 * model.inference.batch  # type: ignore[attr-defined]
    assert np.array_equal(*found)
    alone = [model.predict(panel, starts[[index]]).point[0] for index in (0, 300, len(starts) - 1)]
    assert np.abs(np.stack(alone) - found[0][[0, 300, -1]]).max() <= TOLERANCE


def test_repeated_forecasts_take_no_more_memory(saved: Path) -> None:
    panel, model = panel_of(spec_for(RICH)), models.load(saved)[0]
    starts = all_starts(panel)[:3]

    def memory_after_forecasts() -> int:
        for _ in range(300):
            model.predict(panel, starts)
        gc.collect()
        # Python's cache of methods keeps up to 4,096 names as they were given, as many copies of one name too: NumPy
        # and threadpoolctl make theirs anew in each call.
        sys._clear_type_cache()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = memory_after_forecasts()
        assert memory_after_forecasts() - before < 5_000
    finally:
        tracemalloc.stop()


def test_weights_of_another_net_are_refused(saved: Path) -> None:
    model = models.load(saved)[0].model
    weights = list(model.inference.weights.values())  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="these are the weights of another net"):
        recurrent.RecurrentNet(options_of(RICH), spec_for(RICH), weights[:-1])
    with pytest.raises(ValueError, match="these are the weights of another net"):
        recurrent.RecurrentNet(options_of({**RICH, "units": 8}), spec_for(RICH), weights)


def test_no_windows_give_no_forecasts(saved: Path) -> None:
    forecasts = models.load(saved)[0].model.predict(panel_of(spec_for(RICH)), np.empty((0, 2), np.int32))
    assert forecasts.point.shape == (0, 6, 3)
