"""Gradient flow: measured without a trace, vanishing where it must, and the derivative that it claims to be."""

import numpy as np
import pytest
from nets import SHORT_RECIPE as RECIPE
from panels import all_starts, cycle, noise, spec_of

import models
from models.interface import Training
from tidegate.workspace.progress import no_progress


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_measuring_gradient_flow_changes_nothing(cell: str) -> None:
    panel = cycle(spec_of(2, 1, lookback=24, horizon=4, season=12), 200)
    model = models.make("x", {"family": "recurrent", "cell": cell, "units": 8}, panel.spec)
    starts = all_starts(panel, end=150)
    model.fit(Training(panel, starts, all_starts(panel, 150), RECIPE), no_progress)
    before = model.predict(panel, starts[:20]).point
    flow = model.gradient_flow(panel, starts[:64], RECIPE)  # type: ignore[attr-defined]
    assert flow.norms.shape == (24,) and (flow.norms > 0).all()
    assert np.array_equal(model.predict(panel, starts[:20]).point, before)


def test_gradients_vanish_in_an_rnn_and_live_in_an_lstm_that_keeps() -> None:
    panel = noise(spec_of(1, 1, lookback=24, horizon=4), 100, missing=0)
    starts, kept = all_starts(panel), {}
    for cell in ("rnn", "lstm"):
        model = models.make("x", {"family": "recurrent", "cell": cell, "units": 4}, panel.spec)
        model.fit(Training(panel, starts, starts, RECIPE), no_progress)
        layer = model.net.get_layer(f"{cell}_1")  # type: ignore[attr-defined]
        kernel, recurrent, bias = layer.get_weights()
        if cell == "rnn":
            recurrent = 0.5 * np.eye(4)
        else:
            bias[4:8] = 6.0  # the forget gates stay open
        layer.set_weights([kernel, recurrent, bias])
        norms = model.gradient_flow(panel, starts, RECIPE).norms  # type: ignore[attr-defined]
        kept[cell] = norms[0] / norms[-2]  # an LSTM's newest state reaches the head by another way than the others
    assert kept["rnn"] < 0.51**22
    assert kept["lstm"] > 1000 * kept["rnn"]


def test_gradient_flow_is_the_derivative_of_the_loss_in_the_state() -> None:
    """The gradient at the newest state is the head's alone: Wᵀ sign(ŷ − y) / horizon for an absolute error."""
    panel = noise(spec_of(1, 1, lookback=6, horizon=4), 80, missing=0)
    model = models.make("x", {"family": "recurrent", "cell": "gru", "units": 5}, panel.spec)
    starts = all_starts(panel)
    model.fit(Training(panel, starts, starts, RECIPE), no_progress)
    flow = model.gradient_flow(panel, starts[:9], RECIPE)  # type: ignore[attr-defined]
    kernel = np.asarray(model.net.get_layer("head").kernel)  # type: ignore[attr-defined]
    off = np.sign(model.predict(panel, starts[:9]).point - panel.future(starts[:9])[0])[..., 0] / 4
    assert flow.norms[-1] == pytest.approx(np.linalg.norm(off @ kernel.T, axis=1).mean(), rel=1e-4)
