"""Which process does a piece of work, so that what a dead one left open can be found and closed."""

import os
import socket

import psutil


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
