"""Trains Keras' own nets for bench/training.py, by `fit` on windows that are all made before."""

from typing import Any

import keras
import turns


class AfterEach(keras.callbacks.Callback):
    """Tells that an epoch has ended."""

    def __init__(self, ended: turns.Callable[[], None]) -> None:
        """Keep what is to be called."""
        super().__init__()
        self.ended = ended

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Call it."""
        self.ended()


def train(shape: dict[str, Any], epoch_ended: turns.Callable[[], None]) -> None:
    """Train a net of this shape."""
    keras.utils.clear_session()
    layer = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[shape["cell"]]
    past = keras.Input((shape["steps"], shape["columns"]))
    tokens = past
    if shape["segment"] > 1:
        tokens = keras.layers.Reshape((-1, shape["segment"] * shape["columns"]))(tokens)
        tokens = keras.layers.Dense(shape["units"], "relu")(tokens)
    net = keras.Model(past, keras.layers.Dense(shape["horizon"])(layer(shape["units"])(tokens)))
    net.compile(keras.optimizers.Adam(0.003, global_clipnorm=1.0), "mae")
    x, y = turns.windows(shape)
    net.fit(x, y, shape["batch"], epochs=1000, verbose=0, callbacks=[AfterEach(epoch_ended)])


if __name__ == "__main__":
    turns.serve(train)
