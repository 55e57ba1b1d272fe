"""Requests that are not answered: a status, one sentence, and headers."""

from collections.abc import Mapping

from tidegate.errors import TidegateError


class Refused(TidegateError):
    """A request that is not answered."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        """Set the HTTP status, the sentence and the headers of the answer."""
        super().__init__(sentence)
        self.status, self.headers = status, dict(headers or {})


def retry_after(seconds: float) -> dict[str, str]:
    """Give the header that says when to ask again, in whole seconds, at least one."""
    return {"Retry-After": str(max(1, round(seconds)))}
