"""Nets as files: the same bytes for the same net, and nothing in a file that can run code."""

import json
import re
import tempfile
import zipfile
from pathlib import Path

import keras

# A net's own layers must be known before it is read.


def save_net(net: keras.Model, path: Path) -> None:
    """Write a .keras file that is the same bytes for the same net: without the date and the zip's clock times."""
    with tempfile.TemporaryDirectory() as folder:
        stamped = Path(folder) / path.name
        net.save(stamped)
        with zipfile.ZipFile(stamped) as source, zipfile.ZipFile(path, "w") as target:
            for name in sorted(source.namelist()):
                content = source.read(name)
                if name == "metadata.json":
                    content = json.dumps({"keras_version": keras.__version__}).encode()
                elif name == "config.json":
                    content = _numbered(content)
                target.writestr(zipfile.ZipInfo(name), content)


def _numbered(config: bytes) -> bytes:
    """Number the shared objects in the order they appear, where Keras writes their addresses in memory."""
    numbers: dict[bytes, bytes] = {}
    return re.sub(
        rb'(?<="shared_object_id": )\d+',
        lambda match: numbers.setdefault(match[0], str(len(numbers)).encode()),
        config,
    )


def load_net(path: Path) -> keras.Model:
    """Read a .keras file; nothing in it can run code."""
    return keras.saving.load_model(path, compile=False, safe_mode=True)
