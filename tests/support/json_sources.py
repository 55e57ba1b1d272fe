"""A service on loopback as a source of rows, and what is read or refused of its answers."""

from collections.abc import Callable
from typing import Any

import pytest
from http_services import Service

from tidegate.errors import SourceError, TidegateError
from tidegate.sources import Source, open_source, read_all
from tidegate.workspace.dataset import Dataset

KEY = "s3cret/Key+9"
SPAN = "?station={station}&from={since}&to={until}"

Serve = Callable[[Callable[[Service, dict[str, str]], Any]], Service]


def source(
    url: str, variables: tuple[str, ...] = ("x",), dataset: dict[str, Any] | None = None, **options: Any
) -> Source:
    given = {"url": url, "stations": ["A"], "start": "2024-01-01", "end": "2024-01-02", "time": "t", **options}
    given = {name: value for name, value in given.items() if value is not ...}
    return open_source(
        Dataset(
            source="http_json", options=given, frequency="1h", variables={name: {"unit": "m"} for name in variables},
            targets=variables[:1], season_steps=24, **(dataset or {}),
        )
    )  # fmt: skip


def record(hour: int = 0, x: Any = 1.0, **more: Any) -> dict[str, Any]:
    return {"t": f"2024-01-01T{hour:02d}:00:00Z", "x": x, **more}


def refusal(read: Source, kind: type[TidegateError] = SourceError) -> str:
    with pytest.raises(kind) as refused:
        read_all(read)
    message = str(refused.value)
    assert type(refused.value) is kind
    assert "\n" not in message and message.endswith(".")
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    return message


def x_of(read: Source) -> list[float]:
    return read_all(read)["x"].tolist()
