"""On which device a net was trained: its name, its memory, and the kernel that its recurrent layers can use."""

import platform
from pathlib import Path
from typing import Any

import keras
import psutil

from models.nets import engine
from models.nets.cells import forward_layer
from tidegate.workspace.processes import machines


def describe(net: keras.Model, replicas: int) -> dict[str, str]:
    """Describe the training of a net: engine, devices, memory in GiB (the peak use of a GPU), and kernel."""
    gpus, devices = engine.gpus(), max(replicas, machines().count)
    name = f"GPU ({gpus[0]})" if gpus else f"CPU ({_processor()})"
    memory = engine.gpu_memory_gib() if gpus else psutil.virtual_memory().total / engine.GIB
    return {
        "engine": engine.BACKEND,
        "device": name if devices == 1 else f"{devices} × {name}",
        "memory_gib": "unknown" if memory is None else f"{memory:.1f}",
        "kernel": _kernel(net) if gpus else "plain: no GPU",
    }


def _kernel(net: keras.Model) -> str:
    """Return cuDNN if every recurrent layer can use its kernel, and otherwise the reason why not."""
    for layer in net.layers:
        recurrent = forward_layer(layer)
        if isinstance(recurrent, keras.layers.SimpleRNN):
            return "plain: cuDNN has no kernel for Keras' vanilla RNN"
        if isinstance(recurrent, keras.layers.LSTM | keras.layers.GRU) and not _suits_cudnn(recurrent):
            return f"plain: layer {recurrent.name} has another activation than cuDNN's"
    return "cuDNN"


def _suits_cudnn(layer: Any) -> bool:
    """Check that a layer is what cuDNN computes: tanh, sigmoid gates, biases, no dropout inside the recurrence."""
    names = keras.activations.serialize(layer.activation), keras.activations.serialize(layer.recurrent_activation)
    return bool(names == ("tanh", "sigmoid") and layer.use_bias and not layer.recurrent_dropout)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
