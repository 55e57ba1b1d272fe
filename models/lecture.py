"""The lecture's recipe: an LSTM that says the next value after each step, trained for long on one station.

    LSTM(50, activation="sigmoid", return_sequences=True) → Dense(1)        mean squared error, Adam, batches of 4

x_1 … x_L → x_2 … x_{L+1}: at every step the target is the next one. The training span is cut into consecutive
sequences as long as the lookback, which are not shuffled. A horizon is walked by feeding each forecast back. Kept as
it was taught, to see what each of today's habits brings: compare it with the other candidates in accuracy and time.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.interface import History, ModelOptions, Training
from tidegate.windows.panel import Flags, Floats, Forecasts, Panel, Starts
from tidegate.windows.spec import WindowSpec
from tidegate.workspace.params import require_known
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Steps, Window

if TYPE_CHECKING:
    import keras

NET = "net.keras"
BATCH = 4
CHUNK = 2048  # windows forecast at a time


class Options(ModelOptions):
    """The section of the lecture's recipe."""

    units: Steps = 50
    epochs: Steps = 1000
    station: str | None = None  # the one that it learns from; the first by default

    def refusal(self, window: Window) -> tuple[str, str] | None:
        """It forecasts values."""
        return ("family", "is lecture, which forecasts values: leave window.alert out") if window.alert else None


class Family:
    """The recipe."""

    def __init__(self, options: Options, spec: WindowSpec) -> None:
        """Find the station.

        Raises:
            SettingsError: there is no such station.
        """
        self.options, self.spec = options, spec
        name = options.station or spec.stations[0]
        require_known(name, spec.stations, "models: station")
        self.row = spec.stations.index(name)
        self.net: Any = None

    def fit(self, training: Training, progress: Progress, checkpoint: Path | None = None) -> History:
        """Train as taught; of the shared recipe only the seed and the learning rate are used."""
        import keras

        from models.nets.training import ProgressCallback, start_training
        from models.nets.training_state import TrainingState

        panel, recipe = training.panel, training.recipe
        start_training(recipe.seed, recipe.device)
        self.net = build_net(self.options, len(self.spec.targets), recipe.seed)
        self.net.compile(keras.optimizers.Adam(recipe.learning_rate), loss="mse", jit_compile=False)
        x, y, weight = self._sequences(panel, training.train)
        course = TrainingState(self.net, None, checkpoint)
        done, epochs = course.resume(self.net.optimizer), self.options.epochs
        if done < epochs:
            self.net.fit(
                x, y, BATCH, epochs, initial_epoch=done, sample_weight=weight, shuffle=False, verbose=0,
                validation_data=self._sequences(panel, training.validation), validation_batch_size=BATCH,
                callbacks=[ProgressCallback(progress, epochs, -(-len(x) // BATCH)), course],
            )  # fmt: skip
        return course.curve

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast each window by feeding forecasts back: (windows, horizon, targets)."""
        from models.nets.recursion import forecast_recursively

        targets = len(self.spec.targets)
        said = np.empty((len(starts), self.spec.horizon, targets), np.float32)
        for first in range(0, len(starts), CHUNK):
            past = panel.past(starts[first : first + CHUNK])[0][..., :targets]
            said[first : first + CHUNK] = forecast_recursively(self.net, past, self.spec.horizon)
        return Forecasts(said)

    def save(self, folder: Path) -> None:
        """Write the net as a .keras file."""
        from models.nets import files

        files.save_net(self.net, folder / NET)

    def restore(self, folder: Path) -> None:
        """Read the net, in Keras' safe mode."""
        from models.nets import files

        self.net = files.load_net(folder / NET)

    def _sequences(self, panel: Panel, starts: Starts) -> tuple[Floats, Floats, Flags]:
        """Cut the steps that the station's windows touch: values, next values (sequences, steps, targets), weights."""
        own = starts[starts[:, 0] == self.row]
        own = own if len(own) else starts  # a station without windows in this span
        lookback, targets = self.spec.lookback, len(self.spec.targets)
        first, end = int(own[:, 1].min()), int(own[:, 1].max()) + lookback + self.spec.horizon
        begins = np.arange(first, max(end - lookback, first + 1), lookback)
        steps = begins[:, None] + np.arange(lookback + 1)
        row = int(own[0, 0])
        values, observed = panel.values[row, steps][..., :targets], panel.observed[row, steps][..., :targets]
        return values[:, :-1], values[:, 1:], observed[:, 1:].all(axis=-1)


def build_net(options: Options, targets: int, seed: int) -> "keras.Model":
    """Build the net: values (batch, steps, targets) → the next values (batch, steps, targets)."""
    import keras
    from keras.initializers import GlorotUniform, Orthogonal

    series = keras.Input((None, targets), name="series")
    states = keras.layers.LSTM(
        options.units, activation="sigmoid", return_sequences=True, name="lstm", seed=seed,
        kernel_initializer=GlorotUniform(1000 * seed), recurrent_initializer=Orthogonal(seed=1000 * seed + 1),
    )(series)  # fmt: skip
    following = keras.layers.Dense(targets, kernel_initializer=GlorotUniform(1000 * seed + 2), name="next")(states)
    return keras.Model(series, following, name="lecture")
