"""How much of the machine a piece of work uses: MLflow's system metrics, read now and then by its own monitors."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

EVERY_SECONDS = 5.0
MOST_READINGS = 120  # of a long work every second one is dropped, and they are taken half as often


class Utilisation:
    """Readings: {"system/cpu_utilization_percentage": …} by the millisecond."""

    def __init__(self) -> None:
        """Find what can be read here: the processor, and NVIDIA's GPUs where their library is installed."""
        self.readings: list[tuple[int, dict[str, float]]] = []
        self.monitors: list[Any] = [CPUMonitor()]
        with suppress(ImportError, RuntimeError):
            self.monitors.append(GPUMonitor())

    def read(self) -> None:
        """Take a reading."""
        found: dict[str, float] = {}
        for monitor in self.monitors:
            monitor.collect_metrics()
            found.update({f"system/{name}": value for name, value in monitor.aggregate_metrics().items()})
            monitor.clear_metrics()
        self.readings.append((int(time.time() * 1000), found))


@contextmanager
def measure_utilisation() -> Iterator[Utilisation]:
    """Take readings in the background until the end of the block."""
    usage, over = Utilisation(), threading.Event()

    def read() -> None:
        pause = EVERY_SECONDS
        while not over.wait(pause):
            usage.read()
            if len(usage.readings) > MOST_READINGS:
                del usage.readings[::2]
                pause *= 2

    usage.read()  # the processor's first reading begins to count; it says nothing yet
    usage.readings.clear()
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield usage
    finally:
        over.set()
        thread.join()
        usage.read()
