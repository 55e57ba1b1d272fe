"""Processes: find runs that a dead process left open, and know the machines that share a training."""

import json
import os
import socket
from dataclasses import dataclass

import psutil

from tidegate.errors import UserError

# The environment variable by which TensorFlow describes machines that train together:
# {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}
CLUSTER = "TF_CONFIG"
BECAUSE = "TIDEGATE_BECAUSE"  # environment variable: why this run was asked for, if not by the schedule


def mark() -> str:
    """Identify this process by host, process id and start time (process ids are used again)."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.2f}"


def is_dead(marked: str) -> bool:
    """Tell whether a marked process has ended; a process on another host is taken to be alive."""
    host, _, rest = marked.partition(":")
    if host != socket.gethostname():
        return False
    process_id, _, started = rest.partition(":")
    try:
        return f"{psutil.Process(int(process_id)).create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True


@dataclass(frozen=True)
class Machines:
    """The machines that share one training, and the index of this one."""

    count: int = 1
    index: int = 0

    @property
    def several(self) -> bool:
        """Tell whether there is more than one machine."""
        return self.count > 1

    @property
    def leads(self) -> bool:
        """Tell whether this machine stores the trained model."""
        return self.index == 0


def machines() -> Machines:
    """Read the machines that share a training from TF_CONFIG; without it, this is the only machine.

    Raises:
        UserError: TF_CONFIG does not have the format that TensorFlow describes.
    """
    text = os.environ.get(CLUSTER)
    if not text:
        return Machines()
    try:
        config = json.loads(text)
        team = Machines(len(config["cluster"]["worker"]), int(config["task"]["index"]))
        if (
            set(config["cluster"]) != {"worker"} or config["task"]["type"] != "worker"
        ):  # there is no chief: the first worker does its work
            team = Machines(0)
    except (ValueError, KeyError, TypeError):
        team = Machines(0)
    if not 0 <= team.index < team.count:
        raise UserError(
            f'{CLUSTER} is {text!r}: give {{"cluster": {{"worker": ["host:port", …]}}, "task": {{"type": "worker", '
            '"index": 0}}, with this machine\'s position among the workers as its index.'
        )
    return team
