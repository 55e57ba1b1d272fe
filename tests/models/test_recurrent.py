"""Recurrent nets: every way to build one keeps the promises, and each part does what it says."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from nets import SHORT_RECIPE as RECIPE
from nets import untrained
from panels import all_starts, cycle, noise, spec_of
from workspaces import ROOT, run_in

import models
from models.conformal import CalibratedModel
from models.interface import Training
from models.recurrent import Options, build_net
from tidegate.errors import SettingsError
from tidegate.windows.panel import Panel
from tidegate.windows.spec import WindowSpec
from tidegate.workspace import settings
from tidegate.workspace.progress import no_progress

SETTINGS = settings.load_settings(ROOT / "params.yaml")
LEVELS = (0.1, 0.5, 0.9)
VARIANTS: dict[str, dict[str, object]] = {
    "deep": {"cell": "lstm", "layers": 2, "dropout": 0.2, "layer_norm": True, "residual": True},
    "both ways": {"cell": "gru", "bidirectional": True, "layers": 2},
    "queries": {"cell": "gru", "segment": 4, "head": "queries", "normalise": "last", "channels": "independent"},
    "queries, mixed": {"cell": "lstm", "segment": 2, "head": "queries", "normalise": "standard"},
    "queries, rnn": {"cell": "rnn", "segment": 8, "head": "queries", "channels": "independent"},
    "recursive": {"cell": "gru", "head": "recursive", "normalise": "last"},
    "taught": {"cell": "lstm", "segment": 4, "head": "recursive", "teacher_forcing": 0.7, "channels": "independent"},
    "quantiles": {"cell": "gru", "output": "quantiles", "normalise": "standard"},
    "quantiles, last": {"cell": "gru", "output": "quantiles", "normalise": "last"},
    "gaussian": {"cell": "rnn", "output": "gaussian", "head": "recursive", "segment": 2},
    "embedded": {"cell": "gru", "station_embedding": 3, "channels": "independent"},
}
RARE = ("quantiles, last", "queries, mixed", "queries, rnn")  # whose parts others have too
every = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in RARE else ()) for name in VARIANTS]
)


def rich(steps: int = 160, seed: int = 0, missing: float = 0.1) -> Panel:
    """Two targets, a past and a known covariate, a calendar, attributes of stations."""
    spec = replace(
        spec_of(3, 4, lookback=8, horizon=6, targets=2), known=("f3",), calendar=("hour",),
        static=((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0)), quantiles=LEVELS,
    )  # fmt: skip
    plain = noise(spec, steps, missing, seed)
    angle = 2 * np.pi * np.arange(steps) / 24
    return replace(plain, calendar=np.stack([np.sin(angle), np.cos(angle)], axis=-1).astype(np.float32))


@cache
def trained(name: str) -> CalibratedModel:
    return fitted(name, rich())


def fitted(name: str, panel: Panel) -> CalibratedModel:
    section = {"family": "recurrent", "units": 6, **VARIANTS[name]}
    return models.fit(
        name, section, Training(panel, all_starts(panel, end=100), all_starts(panel, 100), RECIPE), no_progress
    )[0]


def changed(panel: Panel, station: int, steps: slice, by: float = 1.0, features: slice = slice(None)) -> Panel:
    values, observed = panel.values.copy(), panel.observed.copy()
    values[station, steps, features] += by
    return replace(panel, values=values, observed=observed)


@every
def test_it_forecasts_all_targets_in_order_and_is_the_same_when_read_back(name: str, tmp_path: Path) -> None:
    panel = rich()
    model, starts = trained(name), all_starts(panel)[:40]
    found = model.predict(panel, starts)
    assert found.point.shape == (40, 6, 2) and np.isfinite(found.point).all()
    assert found.quantiles is not None and found.quantiles.shape == (40, 6, 2, 3)
    assert (np.diff(found.quantiles, axis=-1) >= 0).all()
    models.save(model, {"family": "recurrent", "units": 6, **VARIANTS[name]}, panel.spec, tmp_path)
    again = models.load(tmp_path)[0].predict(panel, starts)
    assert np.array_equal(found.point, again.point) and np.array_equal(found.quantiles, again.quantiles)  # type: ignore[arg-type]


def test_every_net_is_read_in_a_process_that_has_built_none(tmp_path: Path) -> None:
    for name in VARIANTS.keys() - set(RARE):
        (tmp_path / name).mkdir()
        section = {"family": "recurrent", "units": 6, **VARIANTS[name]}
        models.save(trained(name), section, rich().spec, tmp_path / name)
    script = "import sys, pathlib, models\nfor folder in pathlib.Path(sys.argv[1]).iterdir(): models.load(folder)\n"
    run_in(ROOT, "python", "-c", script, str(tmp_path))


@every
def test_no_future_value_changes_a_forecast_but_what_is_known_ahead(name: str) -> None:
    panel = rich()
    model, starts = trained(name), np.array([[0, 20], [2, 20]], np.int32)
    before = model.predict(panel, starts).point
    unknown = changed(panel, slice(None), slice(28, None), 50.0, slice(0, 3))  # type: ignore[arg-type]
    assert np.array_equal(model.predict(unknown, starts).point, before)
    known = changed(panel, slice(None), slice(28, 34), 50.0, slice(3, 4))  # type: ignore[arg-type]
    assert not np.array_equal(model.predict(known, starts).point, before)


@every
def test_every_step_depends_on_the_newest_observation(name: str) -> None:
    panel = rich(missing=0)
    model, starts = trained(name), np.array([[0, 20]], np.int32)
    moved = model.predict(changed(panel, 0, slice(27, 28)), starts).point - model.predict(panel, starts).point
    assert (np.abs(moved) > 1e-6).all()


@pytest.mark.parametrize("name", [pytest.param("queries", marks=pytest.mark.long), "taught"])
def test_the_same_seed_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    content = []
    for fit in (trained, lambda name: fitted(name, rich())):
        folder = tmp_path / str(len(content))
        folder.mkdir()
        models.save(fit(name), {"family": "recurrent", "units": 6, **VARIANTS[name]}, rich().spec, folder)
        content.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert content[0] == content[1]


@pytest.mark.parametrize("normalise", ["last", "standard"])
def test_a_shift_in_the_target_shifts_the_forecast(normalise: Literal["last", "standard"]) -> None:
    panel = noise(spec_of(2, 1, lookback=8, horizon=4), 160, missing=0.1)
    model = untrained(Options(cell="gru", units=6, normalise=normalise), panel.spec)
    starts = all_starts(panel)[:30]
    shifted = replace(panel, values=np.where(panel.observed, panel.values + 5, 0).astype(np.float32))
    moved = model.predict(shifted, starts).point - model.predict(panel, starts).point
    assert np.allclose(moved, 5, atol=1e-3)


def test_shuffled_time_destroys_skill() -> None:
    recipe = RECIPE.model_copy(update={"epochs": 12, "patience_epochs": 12, "learning_rate": 0.02})
    ordered = cycle(spec_of(2, 1, lookback=12, horizon=6, season=12), 240)
    order = np.random.default_rng(0).permutation(240)
    shuffled = replace(ordered, values=ordered.values[:, order])

    def skill(panel: Panel) -> float:
        train, rest = all_starts(panel, end=160), all_starts(panel, 160)
        section = {"family": "recurrent", "cell": "gru", "units": 8}
        model = models.fit("x", section, Training(panel, train, rest, recipe), no_progress)[0]
        truth = panel.future(rest)[0]
        return 1 - float(np.abs(model.predict(panel, rest).point - truth).mean() / np.abs(truth).mean())

    assert skill(ordered) > 0.4
    assert skill(shuffled) < 0.1


def test_independent_channels_share_one_net() -> None:

    panel = noise(spec_of(1, 3, lookback=8, horizon=4, targets=3), missing=0)
    net = build_net(Options(cell="gru", units=5, channels="independent"), panel.spec)
    past = np.concatenate([panel.values[:, :8], np.ones((1, 8, 3), np.float32)], axis=-1)
    swapped = past[..., [1, 0, 2, 3, 4, 5]]
    given = {"past": past, "station": np.zeros(1, np.int32)}
    one, other = np.asarray(net(given)), np.asarray(net({**given, "past": swapped}))
    assert np.allclose(one[:, :, [1, 0, 2]], other, atol=1e-6)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_query_is_one_step_of_the_keras_cell(cell: str) -> None:
    import keras

    from models.nets.cells import LAYERS
    from models.nets.heads import Query

    rng, units, segments, targets = np.random.default_rng(0), 6, 3, 2
    query = Query(cell, segments, targets, targets, seed=1)
    states = [rng.standard_normal((4 * targets, units)).astype("float32") for _ in range(2 if cell == "lstm" else 1)]
    found = np.asarray(query(states))
    layer = LAYERS[cell](units, return_sequences=True)
    layer.build((1, 1, units))
    bias = np.asarray(query.bias)
    layer.set_weights([query.kernel, query.recurrent, bias if cell == "gru" else bias.sum(axis=0)])
    for segment in range(segments):
        for target in range(targets):
            asked = keras.ops.concatenate([query.position[segment], query.channel[target]])
            own = [state.reshape(4, targets, units)[:, target] for state in states]
            expected = layer(np.tile(asked, (4, 1, 1)), initial_state=own)
            assert np.allclose(found[:, segment, target], np.asarray(expected)[:, 0], atol=1e-5)


def test_the_newest_observed_value_is_taken_off_whatever_is_missing() -> None:
    from models.nets.normalisation import Normalise

    values = np.array([[[1.0, 5.0], [3.0, 0.0], [0.0, 0.0]]], np.float32)
    flags = np.array([[[1, 1], [1, 0], [0, 0]]], np.float32)
    normal, shift, scale = (np.asarray(part) for part in Normalise("last")(values, flags))
    assert shift[0, 0].tolist() == [3, 5] and scale[0, 0].tolist() == [1, 1]
    assert normal[0].tolist() == [[-2, 0], [0, 0], [0, 0]]
    normal, shift, scale = (np.asarray(part) for part in Normalise("standard")(values, flags))
    assert shift[0, 0].tolist() == [2, 5]
    assert scale[0, 0, 0] == pytest.approx(1, abs=1e-3)
    assert normal[0, :, 0] == pytest.approx([-1, 1, 0], abs=1e-3)


def test_quantiles_cannot_cross_and_the_median_is_free() -> None:
    from models.nets.outputs import order_quantiles

    raw = np.random.default_rng(0).normal(scale=9, size=(50, 5)).astype("float32")
    found = np.asarray(order_quantiles(raw, 2))
    assert (np.diff(found, axis=-1) >= 0).all()
    assert np.array_equal(found[:, 2], raw[:, 2])


def test_each_cost_is_its_definition() -> None:
    from scipy import stats

    from models.nets.outputs import cost_of

    rng = np.random.default_rng(0)
    truth = rng.normal(size=(3, 4, 2)).astype("float32")
    output = np.sort(rng.normal(size=(3, 4, 2, 3)), axis=-1).astype("float32")
    error = truth[..., None] - output
    tau = np.array(LEVELS)
    pinball = np.where(error >= 0, tau * error, (tau - 1) * error).mean(-1)
    assert np.allclose(cost_of("quantiles", LEVELS, "mae")(output, truth), pinball, atol=1e-6)
    normal = np.stack([output[..., 0], np.abs(output[..., 1]) + 0.1], axis=-1)
    density = -stats.norm.logpdf(truth, normal[..., 0], normal[..., 1]) - 0.5 * np.log(2 * np.pi)
    assert np.allclose(cost_of("gaussian", LEVELS, "mae")(normal, truth), density, atol=1e-4)
    label = (truth > 0).astype("float32")
    chance = 1 / (1 + np.exp(-output[..., 0]))
    entropy = -np.log(np.where(label == 1, chance, 1 - chance))
    assert np.allclose(cost_of("probability", LEVELS, "mae")(output[..., :1], label), entropy, atol=1e-5)
    off = output[..., 0] - truth
    huber = np.where(np.abs(off) < 1, 0.5 * off**2, np.abs(off) - 0.5)
    assert np.allclose(cost_of("point", LEVELS, "huber")(output[..., :1], truth), huber, atol=1e-6)


def test_teacher_forcing_reads_the_truth_in_training_alone() -> None:

    spec = spec_of(1, 1, lookback=8, horizon=6)
    net = build_net(Options(cell="gru", units=5, head="recursive", teacher_forcing=1.0), spec)
    rng = np.random.default_rng(0)
    given = {
        "past": rng.normal(size=(2, 8, 2)).astype("float32"), "station": np.zeros(2, np.int32),
        "truth": np.concatenate([rng.normal(size=(2, 6, 1)), np.ones((2, 6, 1))], -1).astype("float32"),
    }  # fmt: skip
    other = {**given, "truth": given["truth"] + np.array([9, 0], "float32")}
    assert np.array_equal(net(given, training=False), net(other, training=False))
    taught, moved = np.asarray(net(given, training=True)), np.asarray(net(other, training=True))
    assert np.array_equal(taught[:, 0], moved[:, 0])  # the first step has no truth before it
    assert (np.abs(taught[:, 1:] - moved[:, 1:]) > 1e-6).all()


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"units": 0}, "models.x.units is 0"),
        ({"segment": 7}, "models.x.segment is 7, which does not divide window.lookback_steps 72"),
        ({"teacher_forcing": 0.5}, "models.x.teacher_forcing is for head: recursive"),
        ({"output": "median"}, "models.x.output is 'median'"),
        ({"train": {"learning_rat": 1}}, "models.x.train.learning_rat is not a known key; did you mean learning_rate?"),
        ({"train": 3}, "models.x.train is 3: give a section"),
    ],
)
def test_a_section_that_cannot_be_built_is_refused_before_any_training(section: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        models.check(
            {"x": {"family": "recurrent", "cell": "gru", "units": 8, **section}}, SETTINGS.window, SETTINGS.train
        )
    assert words in str(caught.value)


def test_a_candidates_own_recipe_wins() -> None:
    section = {"family": "recurrent", "train": {"learning_rate": 0.5, "clip_norm": None, "clip_value": 1.0}}
    recipe = models.recipe("x", section, SETTINGS.train)
    assert (recipe.learning_rate, recipe.clip_norm, recipe.epochs) == (0.5, None, SETTINGS.train.epochs)


def test_the_spec_survives_json() -> None:
    spec = replace(rich().spec, alert=("above", 3.0))
    assert WindowSpec.from_json(__import__("json").loads(__import__("json").dumps(spec.as_json()))) == spec
