"""Nets in .keras files: the same net always gives the same bytes, and nothing in a file can run code.

The modules of the project's own layers are imported before a file is read, which may name any of them.
"""

import json
import re
import tempfile
import zipfile
from importlib import import_module
from pathlib import Path

import keras

LAYER_MODULES = ("heads", "normalisation", "outputs", "recursive", "tokens")


def save_net(net: keras.Model, path: Path) -> None:
    """Write a .keras file without Keras' date and the times of the zip entries, so that its bytes are reproducible."""
    with tempfile.TemporaryDirectory() as folder:
        keras_file = Path(folder) / path.name
        net.save(keras_file)
        with zipfile.ZipFile(keras_file) as source, zipfile.ZipFile(path, "w") as target:
            for name in sorted(source.namelist()):
                content = source.read(name)
                if name == "metadata.json":
                    content = json.dumps({"keras_version": keras.__version__}).encode()
                elif name == "config.json":
                    content = _renumber_shared_objects(content)
                target.writestr(zipfile.ZipInfo(name), content)


def _renumber_shared_objects(config: bytes) -> bytes:
    """Number the shared objects in order of appearance; Keras writes their memory addresses, which vary."""
    numbers: dict[bytes, bytes] = {}
    return re.sub(
        rb'(?<="shared_object_id": )\d+',
        lambda match: numbers.setdefault(match[0], str(len(numbers)).encode()),
        config,
    )


def load_net(path: Path) -> keras.Model:
    """Read a .keras file in safe mode: nothing in it can run code."""
    for module in LAYER_MODULES:
        import_module(f"models.nets.{module}")
    return keras.saving.load_model(path, compile=False, safe_mode=True)
