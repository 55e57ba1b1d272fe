"""The engine under Keras: what Keras has no word for; the only file that knows TensorFlow.

TensorFlow is the engine unless KERAS_BACKEND names another that is installed: JAX and PyTorch train the same nets. Bits
that do not depend on the run, several devices and several machines are TensorFlow's alone.

Several devices share each batch (tf.distribute.MirroredStrategy), or several machines, each of which runs the same
command with its own TF_CONFIG (MultiWorkerMirroredStrategy). Every replica divides by what the whole batch observed,
so that their sum is the loss of one that has it all.
"""

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
from keras import ops

from tidegate.errors import GateClosed, UserError
from tidegate.workspace.processes import machines

BACKEND: str = keras.backend.backend()
GIB = 2**30

if BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "jax":
    import jax
elif BACKEND == "torch":
    import torch
else:
    raise UserError(f"KERAS_BACKEND is {BACKEND}: tensorflow, jax and torch train nets.")


def configure(device: str, replicas: int) -> AbstractContextManager[Any]:
    """Hold to train.device and train.replicas, and to the same bits each time; give the scope to build and train in.

    Raises:
        GateClosed: a GPU is asked for and there is none, or there are fewer devices than replicas.
        UserError: the engine has no such thing.
    """
    if device == "gpu" and not gpus():
        raise GateClosed(
            f"train.device is gpu, and {BACKEND} sees none on this machine: send the stage to one that has (meta.pool "
            "in dvc.yaml), or set train.device to any."
        )
    if BACKEND != "tensorflow":
        if (device == "cpu" and gpus()) or replicas > 1 or machines().several:
            raise UserError(
                f"KERAS_BACKEND is {BACKEND}, which takes whatever device it finds, and one: leave train.device and "
                "train.replicas out, or train with tensorflow."
            )
        return nullcontext()
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    strategy = _strategy(replicas)
    tf.config.experimental.enable_op_determinism()
    return strategy.scope() if strategy else nullcontext()


@functools.cache
def _strategy(replicas: int) -> Any:
    """Make the strategy, once a process: devices cannot be divided anew, nor machines be met again."""
    if machines().several:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if replicas == 1:
        return None
    if gpus():
        names = [f"GPU:{place}" for place in range(len(gpus()))]
    else:  # a CPU can be divided, which is no faster: to see that it works before a machine with GPUs is paid for
        (cpu,) = tf.config.list_physical_devices("CPU")
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
        except RuntimeError:
            raise UserError(
                f"train.replicas is {replicas}, and this process's CPU is in use undivided: train that candidate in a "
                "process of its own, with tidegate train."
            ) from None
        names = [f"CPU:{place}" for place in range(replicas)]
    if replicas > len(names):
        raise GateClosed(f"train.replicas is {replicas}, and this machine has {len(names)} GPUs: lower it.")
    return tf.distribute.MirroredStrategy(names[:replicas])


def replica_count() -> int:
    """Say into how many parts each batch is divided, within a scope."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync) if BACKEND == "tensorflow" else 1


def sum_over_replicas(part: Any) -> Any:
    """Add up what the replicas have, where there are several."""
    replica = tf.distribute.get_replica_context() if replica_count() > 1 else None
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, part) if replica else part


class Trainable(keras.Model):
    """A Keras model that several devices or machines can train: Keras' own trainer stops at two places there."""

    def _maybe_symbolic_build(self, *_args: Any, **_kwargs: Any) -> None:
        """Build nothing from a first batch, which Keras takes for floats and, of several machines, cannot read."""

    def train_step(self, *args: Any) -> Any:
        """Train on a batch."""
        return _rows(super().train_step(*args))

    def test_step(self, *args: Any) -> Any:
        """Validate on a batch."""
        return _rows(super().test_step(*args))


def _rows(logs: Any) -> Any:
    """Give each number of several machines an axis: Keras takes their mean over it."""
    return {name: ops.expand_dims(value, 0) for name, value in logs.items()} if machines().several else logs


def gpus() -> list[str]:
    """Name the GPUs that the engine sees."""
    if BACKEND == "jax":
        return [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    if BACKEND == "torch":
        return [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
    found = tf.config.get_visible_devices("GPU")
    return [tf.config.experimental.get_device_details(gpu).get("device_name", "unnamed") for gpu in found]


def gpu_memory_gib() -> float | None:
    """Say how much of the first GPU's memory was used at most, where the engine counts that."""
    if BACKEND != "tensorflow":
        return None
    return float(tf.config.experimental.get_memory_info("GPU:0")["peak"]) / GIB


def gradients(loss: Callable[[], Any], variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """Differentiate a scalar by variables, at their present values."""
    held = [variable.value for variable in variables]
    if BACKEND == "tensorflow":
        with tf.GradientTape() as tape:
            spent = loss()
        found = tape.gradient(spent, held)
    elif BACKEND == "jax":

        def of(values: list[Any]) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return loss()

        found = jax.grad(of)(held)
    else:
        found = torch.autograd.grad(loss(), held)
    return [np.asarray(ops.convert_to_numpy(ops.convert_to_tensor(each))) for each in found]
