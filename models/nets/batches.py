"""Forecasts in batches, on all cores: each core computes a batch of its own, and matrix products use a single thread.

The products are small, so threads within one cost more than they save. A batch's size depends on the net alone, so the
same windows give the same bits on any number of cores.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from tidegate.windows.panel import Floats, Starts

BATCH_ROWS = 256  # whose gates fit into a core's cache
BATCH_BYTES = 2**26  # at most, of a batch's buffers


class SingleThreadedProducts:
    """A block in which BLAS uses one thread; the last of several calls that overlap gives it back its threads."""

    def __init__(self) -> None:
        """Begin with no call under way."""
        self.lock, self.calls = threading.Lock(), 0
        self.limits: Any = None

    def __enter__(self) -> None:
        """Set the limit, if no other call has."""
        with self.lock:
            if self.calls == 0:
                self.limits = _thread_pools().limit(limits=1, user_api="blas")
            self.calls += 1

    def __exit__(self, *_: object) -> None:
        """Take the limit away, if no other call is under way."""
        with self.lock:
            self.calls -= 1
            if self.calls == 0:
                self.limits.restore_original_limits()


@cache
def _thread_pools() -> ThreadpoolController:
    """Find the libraries with threads of their own once: it takes a millisecond."""
    return ThreadpoolController()


def available_cores() -> int:
    """Count the cores that this process may use; not every system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


SINGLE_THREADED = SingleThreadedProducts()


def windows_per_batch(rows: int, row_bytes: int) -> int:
    """Return how many windows make a batch, if each has so many rows, and each row needs so many bytes."""
    return max(1, min(BATCH_ROWS, BATCH_BYTES // row_bytes) // rows)


def forecast_in_batches(
    forward: Callable[[Starts], Floats], starts: Starts, shape: tuple[int, ...], batch: int
) -> Floats:
    """Forecast windows, (windows, 2), in batches of `batch`: (windows, *shape)."""
    output = np.empty((len(starts), *shape), np.float32)

    def work(first: int) -> None:
        with np.errstate(over="ignore"):  # see numpy_cells.py; each thread has its own error state
            output[first : first + batch] = forward(starts[first : first + batch])

    firsts = range(0, len(starts), batch)
    threads = min(available_cores(), len(firsts))
    with SINGLE_THREADED:
        if threads <= 1:
            for first in firsts:
                work(first)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, firsts))
    return output
