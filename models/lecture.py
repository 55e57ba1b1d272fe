"""The recipe of the classic lecture: an LSTM that predicts the next value after each step, trained on one station.

    LSTM(50, activation="sigmoid", return_sequences=True) → Dense(1)        mean squared error, Adam, batches of 4

x_1 … x_L → x_2 … x_{L+1}: the target at every step is the value of the next step. The training span is cut into
consecutive sequences as long as the lookback, which are not shuffled, and training lasts for many epochs. To forecast
several steps, each forecast is fed back as the next input. The recipe is kept as it was taught, as a reference: compare
its accuracy and its training time with those of the other candidates, to see what each newer technique contributes.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.interface import History, ModelOptions, Training
from models.nets import files
from models.nets.inference import LectureNet
from tidegate.windows.panel import Flags, Floats, Forecasts, Panel, Starts
from tidegate.windows.spec import WindowSpec
from tidegate.workspace.field_types import Steps
from tidegate.workspace.params import require_known
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Window

if TYPE_CHECKING:
    import keras

BATCH = 4


class Options(ModelOptions):
    """The section of the lecture's recipe."""

    units: Steps = 50  # of the LSTM
    epochs: Steps = 1000  # all of them are trained
    station: str | None = None  # the station to train on; the first by default

    def refusal(self, window: Window) -> tuple[str, str] | None:
        """Refuse windows with an alert: this family forecasts values."""
        return ("family", "is lecture, which forecasts values: leave window.alert out") if window.alert else None


class Family:
    """The lecture's LSTM and its training."""

    def __init__(self, options: Options, spec: WindowSpec) -> None:
        """Find the row of the station to train on.

        Raises:
            SettingsError: the station is unknown.
        """
        self.options, self.spec = options, spec
        name = options.station or spec.stations[0]
        require_known(name, spec.stations, "models: station")
        self.row = spec.stations.index(name)
        self.inference: LectureNet

    @cached_property
    def net(self) -> Any:
        """The Keras net, built when it is first needed: for all but forecasts."""
        net = build_net(self.options, len(self.spec.targets), seed=0)
        net.set_weights(self.inference.weights)
        return net

    def fit(self, training: Training, progress: Progress, checkpoint: Path | None = None) -> History:
        """Train as the lecture does; only the seed, the device and the learning rate of the shared recipe are used."""
        import keras

        from models.nets.training import ProgressCallback, start_training
        from models.nets.training_state import TrainingState

        panel, recipe = training.panel, training.recipe
        start_training(recipe.seed, recipe.device)
        self.net = build_net(self.options, len(self.spec.targets), recipe.seed)
        self.net.compile(keras.optimizers.Adam(recipe.learning_rate), loss="mse", jit_compile=False)
        x, y, weight = self._sequences(panel, training.train)
        state = TrainingState(self.net, None, checkpoint)
        epochs_done, epochs = state.resume(self.net.optimizer), self.options.epochs
        if epochs_done < epochs:
            self.net.fit(
                x, y, BATCH, epochs, initial_epoch=epochs_done, sample_weight=weight, shuffle=False, verbose=0,
                validation_data=self._sequences(panel, training.validation), validation_batch_size=BATCH,
                callbacks=[ProgressCallback(progress, epochs, -(-len(x) // BATCH)), state],
            )  # fmt: skip
        self.inference = LectureNet(self.options.units, len(self.spec.targets), self.net.get_weights())
        return state.curve

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast each window recursively: (windows, horizon, targets)."""
        return Forecasts(self.inference.predict(panel, starts))

    def predict_with_keras(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast each window with the Keras net: slower, and the same but for rounding."""
        from models.nets import engine
        from models.nets.recursion import forecast_recursively

        past = panel.past(starts)[0][..., : len(self.spec.targets)]
        with engine.full_precision():
            return Forecasts(forecast_recursively(self.net, past, self.spec.horizon_steps))

    def save(self, folder: Path) -> None:
        """Write the net's weights."""
        files.save_weights(self.inference.weights, folder / files.NET)

    def restore(self, folder: Path) -> None:
        """Read the net's weights, or those in the .keras file of an older release."""
        weights = files.read_weights(folder / files.NET)
        self.inference = LectureNet(self.options.units, len(self.spec.targets), weights)
        self.__dict__.pop("net", None)  # that of other weights

    def _sequences(self, panel: Panel, starts: Starts) -> tuple[Floats, Floats, Flags]:
        """Cut the span of the station's windows: values, next values (sequences, steps, targets), and weights.

        If the station has no windows in this span, the first window's station is used.
        """
        station_starts = starts[starts[:, 0] == self.row]
        station_starts = station_starts if len(station_starts) else starts
        row, first_steps = int(station_starts[0, 0]), station_starts[:, 1]
        length, targets = self.spec.lookback_steps, len(self.spec.targets)
        first, end = int(first_steps.min()), int(first_steps.max()) + length + self.spec.horizon_steps
        sequence_starts = np.arange(first, max(end - length, first + 1), length)
        steps = sequence_starts[:, None] + np.arange(length + 1)
        values, observed = panel.values[row, steps][..., :targets], panel.observed[row, steps][..., :targets]
        return values[:, :-1], values[:, 1:], observed[:, 1:].all(axis=-1)


def build_net(options: Options, targets: int, seed: int) -> "keras.Model":
    """Build the net: values (batch, steps, targets) → next values (batch, steps, targets)."""
    import keras
    from keras.initializers import GlorotUniform, Orthogonal

    series = keras.Input((None, targets), name="series")
    states = keras.layers.LSTM(
        options.units, activation="sigmoid", return_sequences=True, name="lstm", seed=seed,
        kernel_initializer=GlorotUniform(1000 * seed), recurrent_initializer=Orthogonal(seed=1000 * seed + 1),
    )(series)  # fmt: skip
    next_values = keras.layers.Dense(targets, kernel_initializer=GlorotUniform(1000 * seed + 2), name="next")(states)
    return keras.Model(series, next_values, name="lecture")
