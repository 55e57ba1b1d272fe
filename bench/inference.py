"""Forecasts by a recurrent net, 96 steps × 8 columns → 24 steps: NumPy against Keras, XLA and ONNX Runtime.

All run one net with the same weights on the same windows, in turns; NumPy and `predict_net` read them from the panel,
the others are given them ready. ONNX Runtime takes part where `onnx` and `onnxruntime` can be imported, if need be from
a folder that --also names: python bench/inference.py --cores 2 --also /tmp/onnx/lib/python3.11/site-packages
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import page
from rich.table import Table

from models import recurrent
from models.nets.structure import weight_shapes
from tidegate.windows.panel import Panel, Starts
from tidegate.windows.spec import WindowSpec

LOOKBACK, HORIZON, UNITS, STATIONS, STEPS = 96, 24, 64, 20, 1000
FEATURES = ("y", "a", "b", "c")  # each is a value and a flag

Run = Callable[[], Any]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--cores", type=int, default=2)
    options.add_argument("--also", help="a folder of packages, for ONNX Runtime")
    chosen = options.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.cores])  # before TensorFlow counts them
    sys.path += [chosen.also] if chosen.also else []
    tables = []
    for cell in ("lstm", "gru"):
        family, panel = net_and_panel(cell)
        for windows in (1, 10_000):
            runs = runs_of(family, panel, starts_of(panel, windows))
            title = f"{cell.upper()}({UNITS}), windows: {windows:,}, cores: {chosen.cores}"
            tables.append(compare(title, runs, windows, chosen.rounds))
    page.show(tables)


def net_and_panel(cell: str) -> tuple[recurrent.Family, Panel]:
    """Make a net with weights drawn at random, and a panel with some values missing."""
    rng = np.random.default_rng(0)
    names = tuple(f"S{number}" for number in range(STATIONS))
    spec = WindowSpec(names, FEATURES, FEATURES[:1], "1h", LOOKBACK, HORIZON, 24)
    observed = rng.random((STATIONS, STEPS, len(FEATURES))) > 0.05
    values = np.where(observed, rng.standard_normal(observed.shape), 0).astype(np.float32)
    family = recurrent.Family(recurrent.Options(cell=cell, units=UNITS), spec)
    shapes = weight_shapes(family.options, spec).values()
    weights = [rng.normal(scale=0.1, size=shape).astype(np.float32) for shape in shapes]
    family.inference = recurrent.RecurrentNet(family.options, spec, weights)
    return family, Panel.create(values, observed, spec)


def starts_of(panel: Panel, windows: int) -> Starts:
    number = np.arange(windows)
    return np.stack([number % STATIONS, number // STATIONS], axis=1).astype(np.int32)


def runs_of(family: recurrent.Family, panel: Panel, starts: Starts) -> dict[str, Run]:
    """Make what is compared, each run once, and check that all forecast the same."""
    import keras
    import tensorflow as tf

    values, observed = panel.past(starts)
    past = np.concatenate([values, observed.astype(np.float32)], axis=-1)
    given = {"past": past, "station": panel.station[starts[:, 0]]}
    net = family.net
    assert isinstance(net, keras.Model)
    compiled = tf.function(lambda inputs: net(inputs, training=False), jit_compile=True)
    runs: dict[str, Run] = {
        "model.predict": lambda: net.predict(given, batch_size=256, verbose=0),
        "predict_net": lambda: family.predict_with_keras(panel, starts).point[..., None],
        "tf.function, XLA": lambda: compiled(given).numpy(),
        "NumPy": lambda: family.predict(panel, starts).point[..., None],
    }
    if find_spec("onnx") and find_spec("onnxruntime"):
        runs["ONNX Runtime"] = onnx_run(family, past)
    expected = runs["model.predict"]()
    for name, run in runs.items():
        assert np.abs(run() - expected).max() < 1e-5, name
    return runs


def onnx_run(family: recurrent.Family, past: np.ndarray) -> Run:
    """Write the net with ONNX's own LSTM or GRU; only the default head and normalisation."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    cell, weights = family.options.cell.upper(), list(family.inference.weights.values())
    order = {"LSTM": [0, 3, 1, 2], "GRU": [0, 1, 2]}[cell]  # of Keras' gates, as ONNX wants them

    def gates(array: np.ndarray) -> np.ndarray:
        return np.concatenate([np.split(array, len(order), axis=-1)[index] for index in order], axis=-1)

    kernel, recurrent_kernel, bias, readout, readout_bias = weights
    kernel = kernel[[0, 2, 3, 4, 1, 5, 6, 7]]  # a token has the target's value and flag first
    both = np.concatenate([gates(part) for part in (bias if cell == "GRU" else (bias, np.zeros_like(bias)))])
    arrays = {"W": gates(kernel).T[None], "R": gates(recurrent_kernel).T[None], "B": both[None]}
    arrays |= {"D": readout, "d": readout_bias, "axis": np.array([0])}
    extra = {"linear_before_reset": 1} if cell == "GRU" else {}
    nodes = [
        helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        helper.make_node(cell, ["steps", "W", "R", "B"], ["", "last"], hidden_size=UNITS, **extra),
        helper.make_node("Squeeze", ["last", "axis"], ["state"]),
        helper.make_node("Gemm", ["state", "D", "d"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["windows", *past.shape[1:]])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["windows", HORIZON])]
    initial = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "net", inputs, outputs, initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])

    def run() -> np.ndarray:
        parts = [session.run(None, {"x": past[first : first + 256]})[0] for first in range(0, len(past), 256)]
        return np.concatenate(parts)[..., None, None]

    return run


def compare(title: str, runs: dict[str, Run], windows: int, rounds: int) -> Table:
    """Time the runs in turns; give medians, the fastest and slowest round, and how often as fast as model.predict.

    Processor time is of all threads; on a machine that is busy with other things it says more than the clock.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    processor: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            began, processor_began = time.perf_counter(), time.process_time()
            run()
            seconds[name].append(time.perf_counter() - began)
            processor[name].append(time.process_time() - processor_began)
    times, work = ({name: statistics.median(each) for name, each in of.items()} for of in (seconds, processor))
    columns = ("runs on", "ms, median", "fastest", "slowest", "windows/s", "× model.predict", "processor, ms", "× less")
    table = Table(*columns, title=title)
    for name, each in seconds.items():
        row = [f"{1000 * value:.4g}" for value in (times[name], min(each), max(each))]
        row += [f"{windows / times[name]:,.0f}", f"{times['model.predict'] / times[name]:.2f}"]
        table.add_row(name, *row, f"{1000 * work[name]:.4g}", f"{work['model.predict'] / work[name]:.2f}")
    return table


if __name__ == "__main__":
    main()
