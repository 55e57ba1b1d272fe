"""The bodies of requests and answers: rows in and forecasts out, as JSON or CSV."""

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from tidegate.errors import DataError, one_line
from tidegate.serving.refusals import Refused
from tidegate.workspace.columns import STATION

JSON, CSV = "application/json", "text/csv"
WRAPPERS = ("dataframe_records", "dataframe_split", "inputs", "instances")  # names that MLflow's server knows
SPLIT = {"columns", "data"}
HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")  # of a pair; alone it is no character, but json reads it
LONGEST_INTEGER = 19  # characters
TIMES = "%Y-%m-%dT%H:%M:%SZ"


def media_type_of(header: str) -> str:
    """Give the type of a request's body, from its header Content-Type.

    Raises:
        Refused: with status 415, it is neither JSON nor CSV.
    """
    media_type = header.partition(";")[0].strip().lower()
    if media_type not in (JSON, CSV):
        raise Refused(415, f"Content-Type is {media_type or 'not given'}: send {JSON} or {CSV}.")
    return media_type


def wanted_type(header: str) -> str:
    """Give the type of the answer, from a request's header Accept: CSV if that alone is named, else JSON."""
    return CSV if CSV in header.lower() and JSON not in header.lower() else JSON


def read_rows(body: bytes, media_type: str) -> Any:
    """Read a body as rows in a form that `read_request` takes.

    JSON is a list of records, a mapping of columns, or columns and data apart ("split"), as it is or under a name that
    MLflow's server knows.

    Raises:
        DataError: it cannot be read.
    """
    read: Callable[[str], Any] = _csv_rows if media_type == CSV else _json_rows
    try:
        return read(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise DataError("The body is not UTF-8 text: encode it so, and do not compress it.") from None


def _csv_rows(text: str) -> pd.DataFrame:
    try:
        return pd.read_csv(io.StringIO(text))
    except ValueError as error:
        raise DataError(f"The body is no CSV with a header line ({one_line(error)}).") from None


def _json_rows(text: str) -> Any:
    try:
        content = json.loads(text, parse_int=_whole_number)
        if HALF_CHARACTER.search(text):
            json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise DataError(f"The body is no JSON ({one_line(error)}).") from None
    if isinstance(content, dict) and STATION not in content:
        content = next((content[name] for name in WRAPPERS if name in content), content)
    if isinstance(content, dict) and content.keys() >= SPLIT and STATION not in content:
        try:
            return pd.DataFrame(content["data"], columns=content["columns"])
        except (ValueError, TypeError):
            raise DataError("The rows of data do not fit columns: give each row a value or null a column.") from None
    return content


def _whole_number(digits: str) -> int | float:
    """Read a whole number; one that no integer of 64 bits holds as pandas does in CSV."""
    return int(digits) if len(digits) < LONGEST_INTEGER else float(digits)


def write_forecasts(forecasts: pd.DataFrame, media_type: str) -> bytes:
    """Write a long frame of forecasts as records in JSON, or as CSV, with times as ISO 8601 text in UTC."""
    if media_type == CSV:
        return forecasts.to_csv(index=False, date_format=TIMES).encode()
    text: str = forecasts.to_json(orient="records", date_format="iso", date_unit="s", double_precision=15)
    return text.encode()
