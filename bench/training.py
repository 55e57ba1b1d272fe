"""Training: windows/s of ours beside Keras and the peers under bench/peers, on the same windows, in turns.

    .venv/bin/python bench/training.py --short      about 6 minutes on two cores: 64 units, batches of 32 and 256
    .venv/bin/python bench/training.py              about 15 minutes: every shape

Each library trains in a process of its own, which stays alive and trains one epoch whenever it is its turn: so what
else the machine does falls on all of them, and the first epoch, in which some compile, counts for none. Beside the
windows of a second there are those of a second of processor time, which other work lengthens much less. The share is
that of the floor: the product of matrices that the machine can compute on one core, and what a window needs of it.

A peer is installed as bench/peers/README.md says; those that are not are named. On a machine with a GPU,
--engine jax or torch lets ours and Keras run on that engine of Keras, where it is installed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import page
from drawing import Drawing
from rich.table import Table
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parent.parent
PEERS = ROOT / "bench" / "peers"
GATES = {"rnn": 1, "lstm": 4, "gru": 3}


@dataclass(frozen=True)
class Shape:
    """A net and its windows: `steps` of `columns` → `horizon` steps of one target."""

    cell: str
    units: int = 64
    steps: int = 96
    columns: int = 8
    horizon: int = 24
    segment: int = 1  # steps in a token; more than one are embedded by a dense layer
    batch: int = 32

    def __str__(self) -> str:
        """Name the net."""
        segments = f", segments of {self.segment}" if self.segment > 1 else ""
        window = f"{self.steps} × {self.columns} → {self.horizon}"
        return f"{self.cell.upper()}({self.units}), {window}{segments}, batch {self.batch}"

    @property
    def flops(self) -> int:
        """Count the floating-point operations of a window's products, forward and backward."""
        tokens, width, gates = self.steps // self.segment, self.segment * self.columns, GATES[self.cell]
        embedding, read = 0, width
        if self.segment > 1:
            embedding, read = 4 * tokens * width * self.units, self.units
        # The gradient of what is read is needed only where weights lie before it.
        by_input = (6 if self.segment > 1 else 4) * tokens * read * gates * self.units
        return embedding + by_input + 6 * tokens * gates * self.units**2 + 6 * self.units * self.horizon

    @property
    def batches(self) -> int:
        """Return the batches of an epoch: some seconds of work at a fifth of the floor, at least four."""
        return max(4, min(256, int(3e10 / self.flops / self.batch)))


SHORT = [Shape(cell, batch=batch) for cell in ("lstm", "gru") for batch in (32, 256)]
ALL = [
    *(Shape(cell, batch=batch) for cell in ("rnn", "lstm", "gru") for batch in (32, 256, 1024)),
    Shape("gru", units=32, steps=72, columns=12, batch=128),  # the default's
    Shape("gru", units=256, segment=24, batch=256),  # SegRNN's
]


class Trainer:
    """A process that trains one epoch after the other, each when it is told to."""

    def __init__(self, name: str, words: list[str], env: dict[str, str]) -> None:
        """Start the process."""
        self.name = name
        env = {**os.environ, "PYTHONPATH": f"{ROOT}:{PEERS}", "TF_CPP_MIN_LOG_LEVEL": "3", **env}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=env, cwd=ROOT
        )

    def epoch(self, shape: Shape | None = None) -> tuple[float, float] | None:
        """Train an epoch, the first one of a shape if it is given: seconds, of the processor too; None without one."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps({**asdict(shape), "batches": shape.batches} if shape else None) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            return None
        return (answer["seconds"], answer["processor"]) if answer else None

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--short", action="store_true")
    options.add_argument("--engine", default="tensorflow", help="of Keras: tensorflow, jax or torch")
    options.add_argument("--only", help="shapes whose name has this in it")
    given = options.parse_args()
    shapes = [shape for shape in (SHORT if given.short else ALL) if not given.only or given.only in str(shape)]
    trainers = start_all(given.engine)
    floor = products_per_second()
    rates = {shape: measure(shape, trainers, given.rounds) for shape in shapes}
    for trainer in trainers.values():
        if trainer:
            trainer.close()
    absent = ", ".join(name for name, trainer in trainers.items() if not trainer) or "none"
    sentence = f"Products of matrices: {floor / 1e9:.0f} GFLOP/s on one core. Not installed: {absent}."
    tables = [table_of(shape, measured, floor) for shape, measured in rates.items()]
    page.show([sentence, drawing(rates), *tables])


def start_all(engine: str) -> dict[str, Trainer | None]:
    """Start ours, Keras and every peer that is installed; None stands for one that is not."""
    here, keras = [sys.executable, "bench/peers/keras_fit.py"], {"KERAS_BACKEND": engine}
    trainers: dict[str, Trainer | None] = {
        "ours": Trainer("ours", [sys.executable, "bench/peers/ours.py"], keras),
        "Keras fit": Trainer("Keras fit", here, keras),
    }
    for name, threads in (("torch", 1), ("torch", 2), ("darts", 1), ("neuralforecast", 1), ("gluonts", 1)):
        python = PEERS / name / ".venv" / "bin" / "python"
        title = f"{name}, {threads} thread{'s' if threads > 1 else ''}"
        env = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
        script = PEERS / name / "train.py"
        trainers[title] = Trainer(title, [str(python), str(script)], env) if python.exists() else None
    return trainers


def products_per_second() -> float:
    """Measure the floating-point operations a second of a large product on one core."""
    matrix = np.ones((2048, 2048), np.float32)
    with threadpool_limits(1):
        times = []
        for _ in range(5):
            began = time.thread_time()
            matrix @ matrix
            times.append(time.thread_time() - began)
    return float(2 * 2048**3 / min(times))


@dataclass(frozen=True)
class Measured:
    """The epochs of a shape, by who trained them: seconds and processor seconds of each; none of a net it has not."""

    epochs: dict[str, list[tuple[float, float]]]
    load: float  # of the machine

    def median(self, name: str) -> tuple[float, float]:
        """Give the median seconds and processor seconds of an epoch; not a number where there is none."""
        seconds, processor = zip(*(self.epochs[name] or [(float("nan"), float("nan"))]), strict=True)
        return statistics.median(seconds), statistics.median(processor)


def measure(shape: Shape, trainers: dict[str, Trainer | None], rounds: int) -> Measured:
    """Train in turns."""
    running = {name: trainer for name, trainer in trainers.items() if trainer and trainer.epoch(shape)}
    epochs: dict[str, list[tuple[float, float]]] = {name: [] for name, trainer in trainers.items() if trainer}
    for _ in range(rounds):
        for name, trainer in running.items():
            if times := trainer.epoch():
                epochs[name].append(times)
    return Measured(epochs, os.getloadavg()[0])


def table_of(shape: Shape, measured: Measured, floor: float) -> Table:
    """Put the windows a second of a shape into a table, beside Keras' and the floor's."""
    windows = shape.batches * shape.batch
    columns = ("trains", "windows/s", "of each round", "× Keras", "a processor s", "× Keras", "of the floor")
    table = Table(*columns, title=f"{shape} (load {measured.load:.1f})", title_justify="left")
    keras = measured.median("Keras fit")
    for name, epochs in measured.epochs.items():
        if not epochs:
            table.add_row(name, "not run: it has no such net")
            continue
        seconds, work = measured.median(name)
        spread = [windows / time for time, _ in epochs]
        row = [f"{windows / seconds:,.0f}", f"{min(spread):,.0f} – {max(spread):,.0f}", f"{keras[0] / seconds:.2f}"]
        row += [f"{windows / work:,.0f}", f"{keras[1] / work:.2f}", f"{windows / work * shape.flops / floor:.0%}"]
        table.add_row(name, *row)
    return table


def drawing(found: dict[Shape, Measured]) -> Drawing:
    """Draw the windows a second of 64 units against the batch, a panel a cell."""
    panels: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for shape, measured in found.items():
        if replace(shape, cell="lstm", batch=32) == Shape("lstm"):
            lines = panels.setdefault(f"{shape.cell.upper()}({shape.units})", {})
            for name in filter(measured.epochs.get, measured.epochs):
                rate = shape.batches * shape.batch / measured.median(name)[0]
                lines.setdefault(name, []).append((shape.batch, rate))
    says = "Windows a second against the windows of a batch: ours, Keras and peers, a panel a cell"
    return Drawing("speed-training", says, "windows in a batch", "windows/s", panels)


if __name__ == "__main__":
    main()
