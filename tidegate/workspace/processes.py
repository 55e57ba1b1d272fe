"""Which process does a piece of work: to find and close what a dead one left open, and to know who leads among many."""

import json
import os
import socket
from dataclasses import dataclass

import psutil

from tidegate.errors import UserError

CLUSTER = (
    "TF_CONFIG"  # TensorFlow's own: {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}
)


def mark() -> str:
    """Name this process for good: host, number, and when it began (numbers are given anew)."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.2f}"


def is_dead(marked: str) -> bool:
    """Say whether a process of this host is gone; of another host's nothing is known."""
    host, _, rest = marked.partition(":")
    if host != socket.gethostname():
        return False
    number, _, began = rest.partition(":")
    try:
        return f"{psutil.Process(int(number)).create_time():.2f}" != began
    except psutil.NoSuchProcess:
        return True


@dataclass(frozen=True)
class Machines:
    """The machines that share one training, and which of them this is."""

    count: int = 1
    index: int = 0

    @property
    def several(self) -> bool:
        """Say whether there is more than one."""
        return self.count > 1

    @property
    def leads(self) -> bool:
        """Say whether it is this one that keeps what was learnt."""
        return self.index == 0


def machines() -> Machines:
    """Read who shares a training from TF_CONFIG; without it, this machine alone.

    Raises:
        UserError: it is not what TensorFlow describes.
    """
    said = os.environ.get(CLUSTER)
    if not said:
        return Machines()
    try:
        about = json.loads(said)
        found = Machines(len(about["cluster"]["worker"]), int(about["task"]["index"]))
        if set(about["cluster"]) != {"worker"} or about["task"]["type"] != "worker":  # a chief: the first worker is it
            found = Machines(0)
    except (ValueError, KeyError, TypeError):
        found = Machines(0)
    if not 0 <= found.index < found.count:
        raise UserError(
            f'{CLUSTER} is {said!r}: give {{"cluster": {{"worker": ["host:port", …]}}, "task": {{"type": "worker", '
            '"index": 0}}, with this machine\'s place among the workers as its index.'
        )
    return found
