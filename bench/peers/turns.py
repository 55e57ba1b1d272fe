"""A process that trains when it is told to: the other side of bench/training.py. Needs nothing but NumPy."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

Train = Callable[[dict[str, Any], Callable[[], None]], None]
STEPS = 1000  # of each station
STATIONS = 20


class NextShape(Exception):
    """Another shape is to be trained."""


class NoSuchNetError(Exception):
    """The library has no net of this shape."""


class Turns:
    """The lines that tell what to train, and the answers, which say how long an epoch took."""

    def __init__(self) -> None:
        """Keep standard output for answers; what libraries print goes to standard error."""
        self.answers, sys.stdout = sys.stdout, sys.stderr
        self.shape = self._next()
        self.began = time.perf_counter(), time.process_time()

    def epoch_ended(self) -> None:
        """Answer, and wait for the next line."""
        seconds, processor = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
        print(json.dumps({"seconds": seconds, "processor": processor}), file=self.answers, flush=True)
        shape = self._next()
        self.began = time.perf_counter(), time.process_time()
        if shape:
            self.shape = shape
            raise NextShape

    def no_such_net(self) -> None:
        """Answer that this shape cannot be trained, and wait for the next one."""
        print("null", file=self.answers, flush=True)
        self.shape = self._next()
        self.began = time.perf_counter(), time.process_time()

    def _next(self) -> Any:
        line = sys.stdin.readline()
        return json.loads(line) if line else os._exit(0)


def serve(train: Train) -> None:
    """Train each shape that comes, epoch by epoch: `train` calls what it is given after each epoch.

    The first line names a shape; each that holds null asks for another epoch of it. Of a shape that the library has
    not, which `train` says by NoSuchNetError, the answer is null.
    """
    turns = Turns()
    while True:
        try:
            with suppress(NextShape):
                train(turns.shape, turns.epoch_ended)
        except NoSuchNetError:
            turns.no_such_net()


def series(columns: int) -> np.ndarray:
    """Make the measurements: (stations, steps, columns)."""
    return np.random.default_rng(0).standard_normal((STATIONS, STEPS, columns)).astype(np.float32)


def windows(shape: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Make every window of an epoch: (windows, steps, columns), and its targets, (windows, horizon)."""
    rows = list(_rows(shape, series(shape["columns"])))
    return np.stack([past for past, _ in rows]), np.stack([future for _, future in rows])


def _rows(shape: dict[str, Any], values: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    steps, horizon = shape["steps"], shape["horizon"]
    starts = STEPS - steps - horizon + 1
    for number in range(shape["batches"] * shape["batch"]):
        station, start = number % STATIONS, number // STATIONS % starts
        end = start + steps
        yield values[station, start:end], values[station, end : end + horizon, 0]
