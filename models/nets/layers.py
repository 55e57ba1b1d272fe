"""Layers of our own, which say by themselves how to make them again."""

from inspect import Parameter, signature
from typing import Any

import keras


class ConfiguredLayer(keras.layers.Layer):
    """A layer that keeps each argument of its constructor in an attribute of the same name."""

    def get_config(self) -> dict[str, Any]:
        """Say how to make it again: by those arguments."""
        _, *parameters = signature(type(self).__init__).parameters.values()
        names = [one.name for one in parameters if one.kind is Parameter.POSITIONAL_OR_KEYWORD]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
