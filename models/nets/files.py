"""The weights of nets in .npz files: the same net always gives the same bytes, and nothing in a file can run code.

What is stored of a net is its options and these weights. The net is built from the options; Keras' registry of classes,
which all code of a process shares, has no part in it. Nets of older releases are .keras files, and are still read.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np

NET = "net.npz"
OLD = ".keras"  # the suffix of older releases
OLD_LAYERS = {  # by the name in .keras files
    "Attributes": "tokens.StaticAttributes",
    "Beside": "tokens.ConcatContext",
    "Clock": "recursive.ZeroInputs",
    "Feedback": "recursive.Feedback",
    "Lay": "heads.HorizonLayout",
    "Meaning": "outputs.OutputDistribution",
    "Newest": "tokens.NewestSegment",
    "Normalise": "normalisation.Normalise",
    "Query": "heads.Query",
    "Rows": "heads.RepeatRows",
    "Teacher": "recursive.Teacher",
    "Tokens": "tokens.Tokens",
    "Unfold": "heads.Unfold",
}


def save_weights(net: keras.Model, path: Path) -> None:
    """Write the weights of a net in their order."""
    np.savez(path, allow_pickle=False, **{f"{number:03d}": weights for number, weights in enumerate(net.get_weights())})


def load_net(path: Path, build: Callable[[], keras.Model]) -> keras.Model:
    """Build a net from its options, and read the weights that `save_weights` wrote; or read an older release's file.

    Raises:
        ValueError: the weights are those of another net.
    """
    if (old := path.with_suffix(OLD)).exists():
        return load_old_net(old)
    net = build()
    with np.load(path, allow_pickle=False) as arrays:
        net.set_weights([arrays[name] for name in sorted(arrays)])
    return net


def load_old_net(path: Path) -> keras.Model:
    """Read a .keras file of an older release in safe mode: nothing in it can run code."""
    layers: dict[str, Any] = {}
    for name, place in OLD_LAYERS.items():
        module, _, layer = place.partition(".")
        layers[f"tidegate>{name}"] = getattr(import_module(f".{module}", __package__), layer)
    return keras.saving.load_model(path, custom_objects=layers, compile=False, safe_mode=True)
