"""What a command returns, as JSON for other programs."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def as_json(result: Any) -> str:
    """Write a result as JSON: a frame as a list of its rows, a time as ISO 8601, what is not known as null."""
    return json.dumps(_plain(result), indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "iterrows"):  # a frame; pandas is not imported for this
        return [_plain(row) for row in value.to_dict("records")]
    if value != value:  # NaN and NaT
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "item"):  # a number of NumPy's
        return _plain(value.item())
    return value if isinstance(value, float) else str(value)
