"""How params.yaml is read, and how it is refused: in one sentence, with the place and the nearest known name."""

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

WORDS = {
    "model_type": "give a section of keys and values",
    "dict_type": "give a section of keys and values",
    "tuple_type": "give a list",
    "int_type": "give a whole number, without quotes",
    "float_type": "give a number, without quotes",
    "string_type": "give text",
    "bool_type": "give true or false",
}


class Section(BaseModel):
    """A part of params.yaml: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


S = TypeVar("S", bound=Section)


def parse(kind: type[S], raw: Any, where: str, lines: Any = None, path: Path = PARAMS) -> S:
    """Check one part of params.yaml against its type; `where` is its dotted path in the file."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        lines = lines if lines is not None else (read_yaml(path) if path.exists() else None)
        raise SettingsError(_sentence(kind, error, where, raw, lines, path)) from None


def require_known(name: str, known: Iterable[str], where: str) -> None:
    """Refuse a name that is not among the known ones.

    Raises:
        SettingsError: naming the place, the nearest known name and all the known ones.
    """
    known = sorted(known)
    if name not in known:
        raise SettingsError(
            f"{PARAMS}: {where} is {name!r}, which is unknown{_nearest(name, known)}; known: {', '.join(known)}."
        )


def digest(content: Any) -> str:
    """Give a short digest of settings, or of anything JSON can hold."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def utc(text: str) -> pd.Timestamp:
    """Read a time; UTC unless it has a zone.

    Raises:
        ValueError: it is none.
    """
    try:
        time = pd.Timestamp(text)
    except ValueError:
        time = pd.NaT  # type: ignore[assignment]
    if pd.isna(time):
        raise ValueError(f"{text!r} is not a time: give it as 2025-12-31T18:00, in UTC unless it has a zone")
    return time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")


def typed_time(text: str) -> pd.Timestamp:
    """Read a time that was typed.

    Raises:
        UserError: it is none.
    """
    try:
        return utc(text)
    except ValueError as error:
        raise UserError(f"{error}.") from None


@contextmanager
def edit_params(text: str | None = None) -> Iterator[Any]:
    """Give params.yaml, or another text for it, to be changed; then write it back whole, comments and order kept."""
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 4096, True  # a unit such as "?" would be no YAML without
    content = yaml.load(PARAMS.read_text(encoding="utf-8") if text is None else text)
    yield content
    with atomic_output(PARAMS) as aside, aside.open("w", encoding="utf-8") as out:
        yaml.dump(content, out)


def read_yaml(path: Path) -> Any:
    """Read the file as YAML that knows its lines.

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
    """Refuse a time without quotes: YAML makes a date of it, which DVC cannot put into dvc.lock."""
    children = part.items() if isinstance(part, Mapping) else enumerate(part) if isinstance(part, list) else ()
    for key, value in children:
        if isinstance(value, date):
            place = ".".join([*keys, str(key)])
            raise SettingsError(f'{path}: {place} is a bare time: put it in quotes, "{value.isoformat()}".')
        _refuse_bare_times(value, [*keys, str(key)], path)


def _sentence(kind: type[BaseModel], error: ValidationError, where: str, raw: Any, lines: Any, path: Path) -> str:
    # A key misspelt is also a key missing: the spelling is what the user can mend.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    keys = [*([where] if where else []), *_path(first["loc"], raw)]
    place = ".".join(keys)
    at = _line(lines, ".".join(keys).split("."))
    spot = f"{path}, line {at}" if at else str(path)
    known = _known_keys(kind, first["loc"][:-1])
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        return f"{spot}: {place} is not a known key{_nearest(name, known)}; known here: {', '.join(known)}."
    if first["type"] == "missing":
        return f"{spot}: {place} is missing; add it."
    message = WORDS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    value = "" if isinstance(first["input"], Mapping | Section) else f" is {first['input']!r}"
    return f"{spot}: {place or 'the file'}{value}: {message[0].lower()}{message[1:]}."


def _path(loc: tuple[int | str, ...], raw: Any) -> list[str]:
    """Give the path within the file: without the names of types that were tried, which pydantic puts between."""
    path = []
    for depth, part in enumerate(loc):
        inside = isinstance(raw, Mapping) and part in raw
        listed = isinstance(raw, list) and isinstance(part, int) and part < len(raw)
        if inside or listed:
            path.append(str(part))
            raw = raw[part]
        elif isinstance(raw, Mapping) and depth == len(loc) - 1 and part != "[key]":
            path.append(str(part))  # a missing key
    return path


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def _known_keys(kind: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    model: Any = kind
    for part in loc:
        fields = {field.alias or name: field for name, field in getattr(model, "model_fields", {}).items()}
        if part not in fields:
            continue  # a name within a mapping: its values' type has been found already
        model = _section_in(fields[str(part)].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if found := _section_in(inner):
            return found
    return None


def _line(lines: Any, keys: list[str]) -> int | None:
    """Find the line of the deepest key of the path that the file holds (a variable's name may have dots)."""
    found = None
    while keys and isinstance(lines, Mapping):
        for width in range(len(keys), 0, -1):
            key = ".".join(keys[:width])
            if key in lines:
                found = lines.lc.key(key)[0] + 1 if hasattr(lines, "lc") else found
                lines, keys = lines[key], keys[width:]
                break
        else:
            break
    return found
