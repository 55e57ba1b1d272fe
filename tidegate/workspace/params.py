"""Reading and changing params.yaml. An error is one sentence, with the line, the key and the nearest known name."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tidegate.errors import SettingsError, UserError
from tidegate.workspace.paths import PARAMS, atomic_output

INSTRUCTIONS = {  # what to do, by the type of a pydantic error
    "model_type": "give a section of keys and values",
    "dict_type": "give a section of keys and values",
    "tuple_type": "give a list",
    "int_type": "give a whole number, without quotes",
    "float_type": "give a number, without quotes",
    "string_type": "give text",
    "bool_type": "give true or false",
}


class Section(BaseModel):
    """A part of params.yaml: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


S = TypeVar("S", bound=Section)


def parse(section: type[S], raw: Any, where: str, lines: Any = None, path: Path = PARAMS) -> S:
    """Check one part of params.yaml against its type.

    Args:
        section: the type.
        raw: the values to check.
        where: the dotted path of the part in the file, "models.gru".
        lines: the whole file as `read_yaml` returned it, for line numbers; by default it is read.
        path: the file.

    Raises:
        SettingsError: a key or a value is refused.
    """
    try:
        return section.model_validate(raw)
    except ValidationError as error:
        lines = lines if lines is not None else (read_yaml(path) if path.exists() else None)
        raise SettingsError(_error_message(section, error, where, raw, lines, path)) from None


def require_known(name: str, known: Iterable[str], where: str) -> None:
    """Refuse a name that is not among the known ones.

    Raises:
        SettingsError: the name is unknown; the message has `where`, the nearest known name and all known names.
    """
    known = sorted(known)
    if name not in known:
        raise SettingsError(
            f"{PARAMS}: {where} is {name!r}, which is unknown{_nearest(name, known)}; known: {', '.join(known)}."
        )


def digest(content: Any) -> str:
    """Give a short digest of settings, or of any value that JSON can hold."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def utc(text: str) -> pd.Timestamp:
    """Parse a time; it is UTC unless it has a zone.

    Raises:
        ValueError: the text is not a time.
    """
    try:
        time = pd.Timestamp(text)
    except ValueError:
        time = pd.NaT  # type: ignore[assignment]
    if pd.isna(time):
        raise ValueError(f"{text!r} is not a time: give it as 2025-12-31T18:00, in UTC unless it has a zone")
    return time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")


def typed_time(text: str) -> pd.Timestamp:
    """Parse a time that the user typed as an option of a command.

    Raises:
        UserError: the text is not a time.
    """
    try:
        return utc(text)
    except ValueError as error:
        raise UserError(f"{error}.") from None


@contextmanager
def edit_params(text: str | None = None) -> Iterator[Any]:
    """Give the content of params.yaml to be changed in the block, then write it back with its comments and order.

    With `text`, this text is changed instead, and written to params.yaml.
    """
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 4096, True  # a unit such as "?" is not YAML without quotes
    content = yaml.load(PARAMS.read_text(encoding="utf-8") if text is None else text)
    yield content
    with atomic_output(PARAMS) as temporary, temporary.open("w", encoding="utf-8") as out:
        yaml.dump(content, out)


def read_yaml(path: Path) -> Any:
    """Read a YAML file, with the line number of each key.

    Raises:
        SettingsError: it is absent, is not YAML, or holds a time without quotes.
    """
    try:
        raw = YAML(typ="rt").load(StringIO(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SettingsError(f"{path} is not here: run tidegate in the root of a workspace.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8 text: save it as UTF-8.") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SettingsError(f"{path}, line {line}: this is not YAML ({error.problem}).") from None
    except (YAMLError, OSError) as error:
        raise SettingsError(f"{path} cannot be read as YAML ({' '.join(str(error).split())}): correct it.") from None
    if not isinstance(raw, Mapping):
        raise SettingsError(f"{path} holds no sections: see the params.yaml that came with the project.")
    _refuse_bare_times(raw, [], path)
    return raw


def _refuse_bare_times(part: Any, keys: list[str], path: Path) -> None:
    """Refuse a time without quotes: YAML reads it as a date, which DVC cannot write into dvc.lock.

    Raises:
        SettingsError: there is one.
    """
    children = part.items() if isinstance(part, Mapping) else enumerate(part) if isinstance(part, list) else ()
    for key, value in children:
        if isinstance(value, date):
            dotted = ".".join([*keys, str(key)])
            raise SettingsError(f'{path}: {dotted} is a bare time: put it in quotes, "{value.isoformat()}".')
        _refuse_bare_times(value, [*keys, str(key)], path)


def _error_message(
    section: type[BaseModel], error: ValidationError, where: str, raw: Any, lines: Any, path: Path
) -> str:
    # A misspelt key gives two errors, an unknown key and a missing one: the unknown key tells the user what to correct.
    first = min(error.errors(), key=lambda details: details["type"] != "extra_forbidden")
    dotted = ".".join([*([where] if where else []), *_keys_of(first["loc"], raw)])
    line = _line(lines, dotted.split("."))
    location = f"{path}, line {line}" if line else str(path)
    known = _known_keys(section, first["loc"][:-1])
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        return f"{location}: {dotted} is not a known key{_nearest(name, known)}; known here: {', '.join(known)}."
    if first["type"] == "missing":
        return f"{location}: {dotted} is missing; add it."
    message = INSTRUCTIONS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    value = "" if isinstance(first["input"], Mapping | Section) else f" is {first['input']!r}"
    return f"{location}: {dotted or 'the file'}{value}: {message[0].lower()}{message[1:]}."


def _keys_of(loc: tuple[int | str, ...], raw: Any) -> list[str]:
    """Give the keys of pydantic's location that are in the file: it also has the names of the types that were tried."""
    keys = []
    for depth, part in enumerate(loc):
        in_mapping = isinstance(raw, Mapping) and part in raw
        in_list = isinstance(raw, list) and isinstance(part, int) and part < len(raw)
        if in_mapping or in_list:
            keys.append(str(part))
            raw = raw[part]
        elif isinstance(raw, Mapping) and depth == len(loc) - 1 and part != "[key]":
            keys.append(str(part))  # a missing key
    return keys


def _nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest known name, as the end of a message; empty if none is near."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def _known_keys(section: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Name the keys of the section at a location within a section."""
    model: Any = section
    for part in loc:
        fields = {field.alias or name: field for name, field in getattr(model, "model_fields", {}).items()}
        if part not in fields:
            continue  # a key of a mapping: `model` is already the type of its values
        model = _section_in(fields[str(part)].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """Find the section in a type such as dict[str, Section]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if section := _section_in(inner):
            return section
    return None


def _line(lines: Any, keys: list[str]) -> int | None:
    """Find the line of the deepest of these keys that is in the file; a key may have dots, as names of variables do."""
    line = None
    while keys and isinstance(lines, Mapping):
        for width in range(len(keys), 0, -1):
            key = ".".join(keys[:width])
            if key in lines:
                line = lines.lc.key(key)[0] + 1 if hasattr(lines, "lc") else line
                lines, keys = lines[key], keys[width:]
                break
        else:
            break
    return line
