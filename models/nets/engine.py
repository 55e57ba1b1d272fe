"""The engine under Keras: what Keras itself does not cover. Only this file imports TensorFlow, JAX or PyTorch.

TensorFlow is the engine unless KERAS_BACKEND names another one that is installed: JAX and PyTorch train the same nets.
Only with TensorFlow are the results reproducible to the last bit, and only it can use several devices or machines.

Several devices share each batch (tf.distribute.MirroredStrategy), or several machines do, each running the same command
with its own TF_CONFIG (MultiWorkerMirroredStrategy). Every replica divides its sum of costs by the number of values
observed in the whole batch, so the sum over the replicas is the loss that a single device would compute.
"""

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
from keras import ops

from tidegate.errors import GateClosed, UserError
from tidegate.workspace.processes import machines

BACKEND: str = keras.backend.backend()
GIB = 2**30
ALIGNMENT = 64  # bytes, of what TensorFlow takes over
COUNTS = 2**31 - 2  # of numbers that Keras draws with a seed

if BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "jax":
    import jax
elif BACKEND == "torch":
    import torch
else:
    raise UserError(f"KERAS_BACKEND is {BACKEND}: set it to tensorflow, jax or torch, which can train nets.")


def configure(device: str, replicas: int) -> AbstractContextManager[Any]:
    """Apply train.device and train.replicas, and make results reproducible; return the scope to build and train in.

    Raises:
        GateClosed: a GPU is required and there is none, or there are fewer devices than replicas.
        UserError: the engine does not support these settings.
    """
    if device == "gpu" and not gpus():
        raise GateClosed(
            f"train.device is gpu, and {BACKEND} sees none on this machine: run the stage on a machine with a GPU "
            "(meta.pool in dvc.yaml), or set train.device to any."
        )
    if BACKEND != "tensorflow":
        if (device == "cpu" and gpus()) or replicas > 1 or machines().several:
            raise UserError(
                f"KERAS_BACKEND is {BACKEND}, which trains on a single device, the one it finds: leave train.device "
                "and train.replicas out, or train with tensorflow."
            )
        return nullcontext()
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    strategy = _strategy(replicas)
    if gpus():  # a CPU needs no such switch, with which Keras does not compile
        tf.config.experimental.enable_op_determinism()
    return strategy.scope() if strategy else nullcontext()


@functools.cache
def _strategy(replicas: int) -> Any:
    """Make the strategy once per process: TensorFlow can neither split its devices nor connect its machines again."""
    if machines().several:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if replicas == 1:
        return None
    if gpus():
        names = [f"GPU:{index}" for index in range(len(gpus()))]
    else:  # several logical CPUs are no faster, but show that the training works before one pays for several GPUs
        (cpu,) = tf.config.list_physical_devices("CPU")
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
        except RuntimeError:
            raise UserError(
                f"train.replicas is {replicas}, but this process has already used its CPU as a single device: train "
                "that candidate in a separate process, with tidegate train."
            ) from None
        names = [f"CPU:{index}" for index in range(replicas)]
    if replicas > len(names):
        raise GateClosed(f"train.replicas is {replicas}, and this machine has {len(names)} GPUs: lower train.replicas.")
    return tf.distribute.MirroredStrategy(names[:replicas])


def replica_count() -> int:
    """Return the number of replicas that share each batch in the current scope."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync) if BACKEND == "tensorflow" else 1


def sum_over_replicas(value: Any) -> Any:
    """Add up a value over all replicas; a single replica's value is returned as it is."""
    replica = tf.distribute.get_replica_context() if replica_count() > 1 else None
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, value) if replica else value


def initial_values(values: np.ndarray) -> Callable[..., Any]:
    """Give an initializer of these values, of which the variable will hold the only copy.

    TensorFlow itself copies an array twice on the way into a variable. It takes over one that begins on a boundary of
    its vectors.
    """

    def initial(*_: Any, **__: Any) -> Any:
        if BACKEND != "tensorflow":
            return values
        room = np.empty(values.nbytes + ALIGNMENT, np.uint8)
        first = -room.ctypes.data % ALIGNMENT
        aligned = room[first : first + values.nbytes].view(values.dtype).reshape(values.shape)
        np.copyto(aligned, values)
        return tf.experimental.dlpack.from_dlpack(aligned.__dlpack__())

    return initial


def compiles(replicas: int) -> bool:
    """Say whether trainings can be compiled: by XLA for a single CPU."""
    return writes_loops() and replicas == 1 and not machines().several


def writes_loops() -> bool:
    """Say whether loops that are written with `scan` are faster than Keras' own: with TensorFlow on a CPU."""
    return BACKEND == "tensorflow" and not gpus()


def scan(
    step: Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]],
    states: list[Any],
    sequences: list[Any],
    reverse: bool = False,
) -> tuple[list[Any], list[Any]]:
    """Take `step` through sequences (steps, …): it turns states and inputs into states and outputs.

    Returns the last states, and the outputs of all steps in the order of the inputs, (steps, …). With TensorFlow only;
    Keras' own scan gives outputs only of the shapes of the states.
    """
    steps = sequences[0].shape[0]
    arrays = [tf.TensorArray(each.dtype, steps).unstack(each) for each in sequences]
    order = range(steps - 1, -1, -1) if reverse else range(steps)
    states, first = step(states, [array.read(order[0]) for array in arrays])
    outputs = [tf.TensorArray(each.dtype, steps, element_shape=each.shape).write(order[0], each) for each in first]

    def body(number: Any, states: list[Any], outputs: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        place = steps - 1 - number if reverse else number
        states, each = step(states, [array.read(place) for array in arrays])
        return number + 1, states, [array.write(place, value) for array, value in zip(outputs, each, strict=True)]

    _, states, outputs = tf.while_loop(lambda number, *_: number < steps, body, [tf.constant(1), states, outputs])
    return states, [array.stack() for array in outputs]


class Trainable(keras.Model):
    """A Keras model that several devices or machines can train, where Keras' own trainer fails in two places.

    Or, with `parts`, that the cores of a CPU train: each computes a part of a batch at a time, compiled by XLA. The
    number of parts does not depend on the cores, and they are added up in one order, so neither do the bits.
    """

    parts = 0  # of each batch; 0: it is trained on as a whole, and not compiled
    sums: Callable[..., tuple[Any, Any]]  # of costs and of weights over windows; their ratio is the loss

    def _maybe_symbolic_build(self, *_args: Any, **_kwargs: Any) -> None:
        """Skip the build from a first batch: Keras takes it for floats, and cannot read it with several machines."""

    def train_step(self, *args: Any) -> Any:
        """Train on one batch; or in parts, on each of several, (steps, batch, 2), filled up with −1."""
        if not self.parts:
            return _with_axis(super().train_step(*args))
        ((batches,),) = args

        def body(number: Any) -> Any:
            self._train_on_parts(batches[number])
            return number + 1

        steps = tf.reduce_sum(tf.cast(batches[:, 0, 0] >= 0, tf.int32))
        tf.while_loop(lambda number: number < steps, body, [tf.constant(0)])
        return self.get_metrics_result()

    def test_step(self, *args: Any) -> Any:
        """Validate on one batch."""
        if not self.parts:
            return _with_axis(super().test_step(*args))
        batch, *_ = keras.utils.unpack_x_y_sample_weight(*args)
        cost, weight = self._add_up(lambda part, number: self.sums(part, training=False), batch)
        self._loss_tracker.update_state(cost / tf.maximum(weight, 1.0), sample_weight=tf.shape(batch)[0])
        return self.get_metrics_result()

    def _train_on_parts(self, batch: Any) -> None:
        """Train on one batch: the gradient of the parts' sums, divided by the weight of the whole."""
        weights = [variable.value for variable in self.trainable_variables]
        generators = [state for state in self.non_trainable_variables if state.name == "seed_generator_state"]

        def gradients_of(part: Any, number: Any) -> list[Any]:
            # Each part draws random numbers far from those of the others, and moves on none that they draw from.
            far = tf.stack([tf.zeros_like(number), number * (COUNTS // self.parts)])  # seed and count
            given = [(generator, generator.value + far) for generator in generators]
            with keras.StatelessScope(given) as scope, tf.GradientTape() as tape:
                cost, weight = self.sums(part, training=True)
            gradients = tape.gradient(cost, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            drawn = [scope.get_current_value(generator) - state for generator, state in given]
            return [cost, weight, *map(tf.convert_to_tensor, gradients), *drawn]

        def update(cost: Any, weight: Any, *sums: Any) -> Any:
            observed = tf.maximum(weight, 1.0)
            gradients = [gradient / observed for gradient in sums[: len(weights)]]
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            for generator, drawn in zip(generators, sums[len(weights) :], strict=True):
                generator.assign_add(drawn // self.parts)  # each part draws as many
            return cost / observed

        loss = _compiled(update)(*self._add_up(gradients_of, batch))
        self._loss_tracker.update_state(loss, sample_weight=batch.shape[0])

    def _add_up(self, function: Callable[[Any, Any], Sequence[Any]], batch: Any) -> list[Any]:
        """Compute `function` of each part of a batch and its number; return the sums over the parts."""
        compiled, parts = _compiled(function), enumerate(tf.split(batch, self.parts))
        found = [compiled(part, tf.constant(number, tf.int64)) for number, part in parts]
        return [functools.reduce(operator.add, values) for values in zip(*found, strict=True)]


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function by XLA."""
    compiled: Callable[..., Any] = tf.function(function, jit_compile=True, autograph=False)
    return compiled


def _with_axis(logs: Any) -> Any:
    """Add an axis to each number where there are several machines: Keras averages over it."""
    return {name: ops.expand_dims(value, 0) for name, value in logs.items()} if machines().several else logs


def gpus() -> list[str]:
    """Return the names of the GPUs that the engine sees."""
    if BACKEND == "jax":
        return [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    if BACKEND == "torch":
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    devices = tf.config.get_visible_devices("GPU")
    return [tf.config.experimental.get_device_details(gpu).get("device_name", "unnamed") for gpu in devices]


def gpu_memory_gib() -> float | None:
    """Return the peak memory use of the first GPU in GiB, or None if the engine does not count it."""
    if BACKEND != "tensorflow":
        return None
    return float(tf.config.experimental.get_memory_info("GPU:0")["peak"]) / GIB


@contextmanager
def full_precision() -> Iterator[None]:
    """Let a GPU compute products in float32, where it would otherwise use the shorter TF32."""
    if BACKEND == "jax":
        with jax.default_matmul_precision("highest"):
            yield
    elif BACKEND == "torch":
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    else:
        before = tf.config.experimental.tensor_float_32_execution_enabled()
        tf.config.experimental.enable_tensor_float_32_execution(False)
        try:
            yield
        finally:
            tf.config.experimental.enable_tensor_float_32_execution(before)


def gradients(loss: Callable[[], Any], variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """Compute the gradient of a scalar loss with respect to variables, at their present values."""
    values = [variable.value for variable in variables]
    if BACKEND == "tensorflow":
        with tf.GradientTape() as tape:
            scalar = loss()
        results = tape.gradient(scalar, values)
    elif BACKEND == "jax":

        def loss_at(arguments: list[Any]) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, arguments, strict=True))):
                return loss()

        results = jax.grad(loss_at)(values)
    else:
        results = torch.autograd.grad(loss(), values)
    return [np.asarray(ops.convert_to_numpy(ops.convert_to_tensor(result))) for result in results]
