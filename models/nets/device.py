"""Where a net learns: a gate for those who want a GPU, and what is said of the device afterwards."""

import platform
from pathlib import Path
from typing import Any

import keras
import psutil
import tensorflow as tf

from tidegate.errors import GateClosed

GIB = 2**30


def require(device: str) -> None:
    """Hold to what train.device says: any, cpu or gpu.

    Raises:
        GateClosed: a GPU is asked for, and TensorFlow sees none.
    """
    if device == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise GateClosed(
            "train.device is gpu, and TensorFlow sees none on this machine: send the stage to one that has (meta.pool "
            "in dvc.yaml), or set train.device to any."
        )
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")


def describe(net: keras.Model) -> dict[str, str]:
    """Say on what a net has learnt: device, memory in GiB (of a GPU the most that was used), and its kernels."""
    gpus = tf.config.get_visible_devices("GPU")
    if not gpus:
        name = f"CPU ({_processor()})"
        return {"device": name, "memory_gib": f"{psutil.virtual_memory().total / GIB:.1f}", "kernel": "plain: no GPU"}
    details = tf.config.experimental.get_device_details(gpus[0])
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
    name = f"GPU ({details.get('device_name', 'unnamed')})"
    return {"device": name, "memory_gib": f"{peak / GIB:.1f}", "kernel": _kernel(net)}


def _kernel(net: keras.Model) -> str:
    """Say whether every recurrent layer can use cuDNN's kernel, and if not, why."""
    for layer in net.layers:
        inner: Any = layer.forward_layer if isinstance(layer, keras.layers.Bidirectional) else layer
        if isinstance(inner, keras.layers.SimpleRNN):
            return "plain: cuDNN has no kernel for Keras' vanilla RNN"
        if isinstance(inner, keras.layers.LSTM | keras.layers.GRU) and not _suits_cudnn(inner):
            return f"plain: layer {inner.name} has another activation than cuDNN's"
    return "cuDNN"


def _suits_cudnn(layer: Any) -> bool:
    """Say whether a layer is what cuDNN computes: tanh, sigmoid gates, biases, no dropout within the recurrence."""
    names = keras.activations.serialize(layer.activation), keras.activations.serialize(layer.recurrent_activation)
    return bool(names == ("tanh", "sigmoid") and layer.use_bias and not layer.recurrent_dropout)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
