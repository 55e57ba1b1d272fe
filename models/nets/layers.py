"""The base class of the project's own layers."""

from inspect import Parameter, signature
from typing import Any

import keras


class ConfiguredLayer(keras.layers.Layer):
    """A layer that keeps each argument of its constructor in an attribute of the same name."""

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, with which Keras makes the layer again when it reads a file."""
        _, *parameters = signature(type(self).__init__).parameters.values()
        names = [parameter.name for parameter in parameters if parameter.kind is Parameter.POSITIONAL_OR_KEYWORD]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
