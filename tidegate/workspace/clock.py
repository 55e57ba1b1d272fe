"""The present moment. A replay of the past sets it, so that what is entered then bears the time it would have had."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pandas as pd

_moment: ContextVar[pd.Timestamp | None] = ContextVar("moment", default=None)


def now() -> pd.Timestamp:
    """Read the clock, or give the moment that is set (UTC)."""
    moment = _moment.get()
    return pd.Timestamp.now("UTC") if moment is None else moment


@contextmanager
def set_to(moment: pd.Timestamp) -> Iterator[None]:
    """Let `now` give this moment within the block."""
    token = _moment.set(moment)
    try:
        yield
    finally:
        _moment.reset(token)
