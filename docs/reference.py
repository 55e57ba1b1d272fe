"""The pages of the site's reference that follow from the code: the keys of params.yaml, and the command line.

A key is described by its own model: its type and default by pydantic, what it is by the comment at the field.
"""

import ast
import inspect
import io
import tokenize
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

import typer.main
from pydantic import BaseModel

import models
from models import sequences
from tidegate.cli import app
from tidegate.quality.gate_rule import GateRule
from tidegate.quality.suite import RULES, Rules
from tidegate.sources import SOURCES
from tidegate.workspace.dataset import Dataset
from tidegate.workspace.params import Section
from tidegate.workspace.settings import DriftRule, DurationRule, Rule, Settings

Row = tuple[str, str, str, str]
LIMITS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}
NAMES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
RULES_ARE = "The rules of the data gate; what each finds stands in [Your own data](../data.md#the-rules)."
SHARED = "And `family`, and `train` with keys of the section `train` in which the candidate's recipe differs."


def params_page() -> str:
    """Give the reference of params.yaml: a heading a section, a row a key."""
    parts = [_section("dataset", Dataset)]
    for source, path in SOURCES.items():
        parts.append(_section(f"dataset.options, source: {source}", import_module(path).Options))
    for name, field in Settings.model_fields.items():
        section = field.alias or name
        if _is_section(field.annotation) and section != "dataset":
            parts.append(_section(section, field.annotation))
        if section == "validate":
            parts.append(_table("validate.rules", ((rule.name, *_rule(rule)) for rule in RULES), RULES_ARE))
            parts += [_section(f"a rule's keys: {kind.__name__}", kind) for kind in (Rule, DurationRule, DriftRule)]
    parts.append(_table("runner", (row for row in rows(Settings) if row[0] == "runner")))
    parts.append(_section("classify", sequences.Options))
    for family, path in models.FAMILIES.items():
        parts.append(f"{_section(f'models.<name>, family: {family}', import_module(path).Options)}\n{SHARED}\n")
    return "\n".join(parts)


def keys() -> set[str]:
    """Name every key that the models of params.yaml know, each by its last part and its section's model."""
    sections: list[Any] = [Settings, Rules, sequences.Options]
    sections += [import_module(path).Options for path in (*SOURCES.values(), *models.FAMILIES.values())]
    found: set[str] = set()
    while sections:
        section = sections.pop()
        for name, field in section.model_fields.items():
            found.add(field.alias or name)
            sections += _sections_in(field.annotation)
    return found


def rows(section: type[BaseModel], prefix: str = "") -> Iterator[Row]:
    """Give (key, type, default, what it is) of each key of a section, and of the sections in it."""
    schema, comments = section.model_json_schema(by_alias=True, mode="validation"), descriptions(section)
    for name, field in section.model_fields.items():
        key = field.alias or name
        inner = _sections_in(field.annotation)
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        shown = "" if inner and isinstance(field.default, BaseModel) else default
        yield prefix + key, _type(schema["properties"][key], schema), shown, comments.get(name, "")
        of_each = "<name>." if "dict[" in str(field.annotation) else ""
        for model in inner:
            yield from rows(model, f"{prefix}{key}.{of_each}")


def descriptions(section: type[BaseModel]) -> dict[str, str]:
    """Give the comment at each field of a section: at the end of its line, or on a line of its own before it."""
    found: dict[str, str] = {}
    for model in reversed(section.__mro__):
        if issubclass(model, Section):
            found |= _comments(model)
    return found


def _comments(model: type[BaseModel]) -> dict[str, str]:
    source = inspect.getsource(model)
    lines = source.splitlines()
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    (body,) = (node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    found = {}
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above = comments.get(node.lineno - 1, "") if lines[node.lineno - 2].lstrip().startswith("#") else ""
            found[node.target.id] = comments.get(node.end_lineno or node.lineno) or above
    return found


def commands_page() -> str:
    """Give the help of each command that is not hidden, as the command itself prints it."""
    parts = []
    for words, command in commands():
        context = typer.Context(command, info_name=" ".join(words), max_content_width=100, terminal_width=100)
        parts.append(f"## {' '.join(words)}\n\n```text\n{command.get_help(context).strip()}\n```\n")
    return "\n".join(parts)


def expectations_page() -> str:
    """Give the table of the expectations that suites of others can use."""
    from tidegate import expectations  # Great Expectations takes seconds to import

    lines = ["| expectation | expects | options |", "|---|---|---|"]
    for name in expectations.__all__:
        found = getattr(expectations, name)
        options = ", ".join(f"`{key}`" for key in found.success_keys)
        lines.append(f"| `{name}` | {' '.join((found.__doc__ or '').split())} | {options} |")
    return "\n".join(lines)


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """List each command that is not hidden, with the words that call it."""
    todo: list[tuple[tuple[str, ...], Any]] = [(("tidegate",), typer.main.get_command(app))]
    while todo:
        words, command = todo.pop(0)
        yield words, command
        inner = getattr(command, "commands", {})
        todo[:0] = [((*words, name), found) for name, found in inner.items() if not found.hidden]


def _section(title: str, section: type[BaseModel]) -> str:
    prefix = "" if ":" in title else f"{title}."
    return _table(title, rows(section, prefix), inspect.cleandoc(section.__doc__ or ""))


def _table(title: str, lines: Iterable[Row], about: str = "") -> str:
    cells = (" | ".join(text.replace("|", "\\|") for text in (f"`{key}`", *rest)) for key, *rest in lines)
    table = "\n".join(f"| {line} |" for line in cells)
    return f"## `{title}`\n\n{about}\n\n| key | is | default | |\n|---|---|---|---|\n{table}\n"


def _rule(rule: GateRule) -> tuple[str, str, str]:
    """Give a rule's kind of section, its defaults, and what it finds."""
    defaults = ", ".join(f"{key} {value}" for key, value in rule.settings.model_dump().items())
    return type(rule.settings).__name__, defaults, rule.finds


def _type(schema: dict[str, Any], whole: dict[str, Any]) -> str:
    """Say in words what a value may be, from its JSON schema."""
    if "$ref" in schema:
        return _type(whole["$defs"][schema["$ref"].rsplit("/", 1)[-1]], whole)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one, whole) for one in schema["anyOf"] if one.get("type") != "null"))
    if "enum" in schema or "const" in schema:
        return " | ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        inner = schema.get("items", {})
        return f"list of {_type(inner, whole)}" if inner else "list"
    if schema.get("type") == "object":
        return "section"
    limits = [words.format(f"{schema[name]:g}") for name, words in LIMITS.items() if name in schema]
    return " ".join([NAMES.get(schema.get("type", ""), "any value"), *([", ".join(limits)] if limits else [])])


def _default(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(f"`{one}`" if one != "" else "empty" for one in value) or "none"
    if value is None or value == {}:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value != "" else "empty"


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    """Find the sections in a type such as dict[str, Section]."""
    if _is_section(annotation):
        return [annotation]
    return [found for inner in getattr(annotation, "__args__", ()) for found in _sections_in(inner)]
