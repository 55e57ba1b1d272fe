"""On what a net has learnt: the device, its memory, and which kernels its layers could use."""

import platform
from pathlib import Path
from typing import Any

import keras
import psutil

from models.nets import engine
from tidegate.workspace.processes import machines


def describe(net: keras.Model, replicas: int) -> dict[str, str]:
    """Say on what a net has learnt: engine, devices, memory in GiB (of a GPU the most that was used), and kernels."""
    gpus, shared = engine.gpus(), max(replicas, machines().count)
    name = f"GPU ({gpus[0]})" if gpus else f"CPU ({_processor()})"
    memory = engine.gpu_memory_gib() if gpus else psutil.virtual_memory().total / engine.GIB
    return {
        "engine": engine.BACKEND,
        "device": name if shared == 1 else f"{shared} × {name}",
        "memory_gib": "unknown" if memory is None else f"{memory:.1f}",
        "kernel": _kernel(net) if gpus else "plain: no GPU",
    }


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
