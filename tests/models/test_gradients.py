"""Gradient flow: measured without a trace, vanishing where it must, and the derivative that it claims to be."""

from typing import Literal

import numpy as np
import pytest
from nets import SHORT_RECIPE as RECIPE
from nets import untrained
from panels import all_starts, cycle, noise, spec_of

from models.recurrent import Options


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_measuring_gradient_flow_changes_nothing(cell: Literal["rnn", "lstm", "gru"]) -> None:
    panel = cycle(spec_of(2, 1, lookback=24, horizon=4, season=12), 200)
    model, starts = untrained(Options(cell=cell, units=8), panel.spec), all_starts(panel, end=150)
    before = model.predict(panel, starts[:20]).point
    flow = model.gradient_flow(panel, starts[:64], RECIPE)
    assert flow.norms.shape == (24,) and (flow.norms > 0).all()
    assert np.array_equal(model.predict(panel, starts[:20]).point, before)


def test_gradients_vanish_in_an_rnn_and_live_in_an_lstm_that_keeps() -> None:
    panel = noise(spec_of(1, 1, lookback=24, horizon=4), 100, missing=0)
    starts, kept = all_starts(panel), {}
    for cell in ("rnn", "lstm"):
        model = untrained(Options(cell=cell, units=4), panel.spec)
        layer = model.net.get_layer(f"{cell}_1")
        kernel, recurrent, bias = layer.get_weights()
        if cell == "rnn":
            recurrent = 0.5 * np.eye(4)
        else:
            bias[4:8] = 6.0  # the forget gates stay open
        layer.set_weights([kernel, recurrent, bias])
        norms = model.gradient_flow(panel, starts, RECIPE).norms
        kept[cell] = norms[0] / norms[-2]  # an LSTM's newest state reaches the head by another way than the others
    assert kept["rnn"] < 0.51**22
    assert kept["lstm"] > 1000 * kept["rnn"]


def test_gradient_flow_is_the_derivative_of_the_loss_in_the_state() -> None:
    """The gradient at the newest state is the head's alone: Wᵀ sign(ŷ − y) / horizon for an absolute error."""
    panel = noise(spec_of(1, 1, lookback=6, horizon=4), 80, missing=0)
    model, starts = untrained(Options(cell="gru", units=5), panel.spec), all_starts(panel)
    flow = model.gradient_flow(panel, starts[:9], RECIPE)
    kernel = np.asarray(model.net.get_layer("head").kernel)
    off = np.sign(model.predict(panel, starts[:9]).point - panel.future(starts[:9])[0])[..., 0] / 4
    assert flow.norms[-1] == pytest.approx(np.linalg.norm(off @ kernel.T, axis=1).mean(), rel=1e-4)
