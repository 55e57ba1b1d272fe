"""Devices: a GPU that is asked for must be there, and what was used is said."""

import pytest
from nets import SHORT_RECIPE as RECIPE
from panels import all_starts, noise, spec_of

import models
from models import lecture
from models.interface import Training
from models.recurrent import Options, build_net
from tidegate.errors import GateClosed
from tidegate.workspace.progress import no_progress


def test_a_training_that_wants_a_gpu_refuses_to_run_on_a_cpu() -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU here")
    panel = noise(spec_of(2, 1, lookback=8, horizon=3), 100)
    recipe, starts = RECIPE.model_copy(update={"device": "gpu"}), all_starts(panel)
    for section in ({"family": "recurrent", "cell": "gru", "units": 4}, {"family": "lecture", "epochs": 1}):
        with pytest.raises(GateClosed, match=r"train\.device is gpu, and tensorflow sees none"):
            models.fit("x", section, Training(panel, starts, starts, recipe), no_progress)


def test_the_device_that_a_net_has_learnt_on_is_recorded() -> None:
    panel = noise(spec_of(2, 1, lookback=8, horizon=3), 100)
    starts, section = all_starts(panel), {"family": "recurrent", "cell": "gru", "units": 4}
    used = models.training_device(models.fit("x", section, Training(panel, starts, starts, RECIPE), no_progress)[0])
    assert set(used) == {"engine", "device", "memory_gib", "kernel"} and float(used["memory_gib"]) > 0
    naive = {"family": "naive", "method": "last"}
    assert models.training_device(models.fit("x", naive, Training(panel, starts, starts, RECIPE), no_progress)[0]) == {}


def test_the_kernel_is_cudnn_where_the_layers_are_what_it_computes() -> None:
    from models.nets.device import _kernel

    spec = spec_of(2, 1, lookback=8, horizon=3)
    kernels = {cell: _kernel(build_net(Options(cell=cell, units=4), spec)) for cell in ("rnn", "lstm", "gru")}
    assert kernels == {"rnn": "plain: cuDNN has no kernel for Keras' vanilla RNN", "lstm": "cuDNN", "gru": "cuDNN"}
    assert _kernel(lecture.build_net(lecture.Options(), 1, 0)).endswith("has another activation than cuDNN's")
