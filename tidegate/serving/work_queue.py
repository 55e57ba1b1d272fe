"""A bounded queue before a few threads: what waits is counted, and what comes beyond is refused at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from tidegate.serving.refusals import Refused, retry_after

T = TypeVar("T")


class WorkQueue:
    """Work for `threads` threads, in the order of arrival; at most `longest` requests wait for one.

    It is used by one event loop, which stays free to answer: only the work itself is in the threads.
    """

    def __init__(self, threads: int, longest: int) -> None:
        """Make the threads."""
        self.threads, self.longest, self.admitted = threads, longest, 0
        self._free = asyncio.Semaphore(threads)
        self._pool = ThreadPoolExecutor(threads, "forecast")

    @property
    def waiting(self) -> int:
        """Count the requests that wait for a thread, those whose body is still arriving among them."""
        return max(0, self.admitted - self.threads)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place within the block; it is taken before a body is read, so that bodies in memory are bounded too.

        Raises:
            Refused: with status 503, there is no place.
        """
        if self.admitted >= self.threads + self.longest:
            raise Refused(503, f"{self.longest} requests are waiting already: ask again later.", retry_after(1))
        self.admitted += 1
        try:
            yield
        finally:
            self.admitted -= 1

    async def run(self, work: Callable[[], T], is_wanted: Callable[[], Awaitable[bool]]) -> T | None:
        """Run work in a thread once one is free; None if nobody wants the result any more by then."""
        async with self._free:
            if not await is_wanted():
                return None
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
