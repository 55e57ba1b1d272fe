"""Candidates of every family that train in seconds."""

from functools import cache

from panels import all_starts, noise, spec_of
from workspaces import ROOT

import models
from models.conformal import CalibratedModel
from models.interface import Training
from models.recurrent import Family, Options, RecurrentNet, build_net
from tidegate.windows.panel import Panel
from tidegate.windows.spec import WindowSpec
from tidegate.workspace import settings
from tidegate.workspace.progress import no_progress
from tidegate.workspace.settings import Train

RECIPE = settings.load_settings(ROOT / "params.yaml").train.model_copy(
    update={"epochs": 3, "epoch_windows": 256, "batch_windows": 32, "patience_epochs": 3, "learning_rate": 0.01}
)
SHORT_RECIPE = settings.load_settings(ROOT / "params.yaml").train.model_copy(
    update={"epochs": 2, "epoch_windows": 128, "batch_windows": 32}
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
LEARNING = ["linear", "short", "lecture", "rnn", "lstm", "gru"]
NETS = ["rnn", "lstm", "gru"]


def fitted(name: str, panel: Panel, recipe: Train = RECIPE) -> CalibratedModel:
    train, validation = all_starts(panel, end=120), all_starts(panel, 130, 160)
    return models.fit(name, SECTIONS[name], Training(panel, train, validation, recipe), no_progress)[0]


def untrained(options: Options, spec: WindowSpec) -> Family:
    """Make a net with its first weights, where it is not the training that counts: to trace one takes seconds."""
    family = Family(options, spec)
    family.net = build_net(options, spec, seed=1)
    family.inference = RecurrentNet(options, spec, family.net.get_weights())
    return family


PANEL = noise(spec_of(2, 3, lookback=8, horizon=5, targets=2), steps=200)


@cache
def shared_model(name: str) -> CalibratedModel:
    """Give a candidate fitted to `PANEL`, once for all tests that leave it as it is."""
    return fitted(name, PANEL)
