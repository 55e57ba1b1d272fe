"""The weights of nets in .npz files: the same net always gives the same bytes, and nothing in a file can run code.

What is stored of a net is its options and these weights. The net is built from the options; Keras' registry of classes,
which all code of a process shares, has no part in it. Nets of older releases are .keras files, and are still read: only
for them is Keras imported.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.windows.panel import Floats

if TYPE_CHECKING:
    import keras

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


def save_weights(weights: Sequence[Floats], path: Path) -> None:
    """Write the weights of a net, in the order in which Keras gives them."""
    np.savez(path, allow_pickle=False, **{f"{number:03d}": array for number, array in enumerate(weights)})


def read_weights(path: Path) -> list[Floats]:
    """Read the weights that `save_weights` wrote; or those in an older release's file, beside where they would be."""
    if (old := path.with_suffix(OLD)).exists():
        weights: list[Floats] = load_old_net(old).get_weights()
        return weights
    with np.load(path, allow_pickle=False) as arrays:
        return [arrays[name] for name in sorted(arrays)]


def load_old_net(path: Path) -> "keras.Model":
    """Read a .keras file of an older release in safe mode: nothing in it can run code."""
    import keras

    layers: dict[str, Any] = {}
    for name, place in OLD_LAYERS.items():
        module, _, layer = place.partition(".")
        layers[f"tidegate>{name}"] = getattr(import_module(f".{module}", __package__), layer)
    return keras.saving.load_model(path, custom_objects=layers, compile=False, safe_mode=True)
