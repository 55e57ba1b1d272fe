"""The code inside a registered model: one package, under a name that no application uses.

Its name holds a digest of the code. So versions with different code load in one process, and whatever packages named
`models` or `tidegate` the application has.
"""

import ast
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("tidegate", "models")
ROOT = Path(__file__).parent.parent.parent
PREFIX = "tidegate_model_"


def pack(folder: Path) -> Path:
    """Write the packed package into a folder; give its own folder, whose name is the package's."""
    sources = {path.relative_to(ROOT): path.read_text("utf-8") for name in PACKAGES for path in _modules(ROOT / name)}
    digest = hashlib.sha256("".join(f"{path}\n{text}" for path, text in sorted(sources.items())).encode()).hexdigest()
    package = folder / f"{PREFIX}{digest[:12]}"
    for path, text in sources.items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text(rewritten(text, package.name), "utf-8")
    (package / "__init__.py").touch()
    return package


def served_file(package: Path) -> Path:
    """Write the file that MLflow runs to make the model, beside the package; give its path."""
    path = package.parent / "serve.py"
    path.write_text(
        f"from mlflow.models import set_model\n\nfrom {package.name}.tidegate.forecasting.served import Served\n\n"
        "set_model(Served())\n",
        "utf-8",
    )
    return path


@contextmanager
def importable(package: Path) -> Iterator[None]:
    """Let this process import a package for the length of a block, and forget it then."""
    sys.path.insert(0, str(package.parent))
    try:
        yield
    finally:
        sys.path.remove(str(package.parent))
        for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
            del sys.modules[name]


def _modules(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*.py"))


def rewritten(source: str, package: str) -> str:
    """Let a module import the project's packages from within another package, and leave all else as it is.

    Text that names a module, such as "models.naive", is rewritten too where it is a whole string: such are imported by
    name.
    """
    lines = source.splitlines(keepends=True)
    for node in sorted(ast.walk(ast.parse(source)), key=_place, reverse=True):
        new = _import_within(node, package) or _name_within(node, package)
        if new:
            _replace(lines, node, new)
    return "".join(lines)


def _place(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _import_within(node: ast.AST, package: str) -> str | None:
    if isinstance(node, ast.ImportFrom) and not node.level and _is_ours(node.module or ""):
        names = ", ".join(_alias(alias) for alias in node.names)
        return f"from {package}.{node.module} import {names}"
    if isinstance(node, ast.Import) and any(_is_ours(alias.name) for alias in node.names):
        return "; ".join(_whole_import(alias, package) for alias in node.names)
    return None


def _whole_import(alias: ast.alias, package: str) -> str:
    if not _is_ours(alias.name):
        return f"import {_alias(alias)}"
    if alias.asname or "." not in alias.name:
        parent, _, name = f"{package}.{alias.name}".rpartition(".")
        return f"from {parent} import {name}" + (f" as {alias.asname}" if alias.asname else "")
    top = alias.name.partition(".")[0]
    return f"import {package}.{alias.name}; from {package} import {top}"


def _name_within(node: ast.AST, package: str) -> str | None:
    """Rewrite a string that is the dotted name of a module."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return None
    name = node.value
    path = ROOT.joinpath(*name.split("."))
    if not ("." in name and _is_ours(name) and name.replace(".", "").isidentifier()):
        return None
    return repr(f"{package}.{node.value}") if path.is_dir() or path.with_suffix(".py").exists() else None


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in PACKAGES


def _alias(alias: ast.alias) -> str:
    return alias.name + (f" as {alias.asname}" if alias.asname else "")


def _replace(lines: list[str], node: ast.AST, new: str) -> None:
    """Put other text in the place of a node, whose columns count bytes."""
    first, last = node.lineno - 1, node.end_lineno - 1  # type: ignore[attr-defined]
    begin, end = lines[first].encode(), lines[last].encode()
    text = begin[: node.col_offset] + new.encode() + end[node.end_col_offset :]  # type: ignore[attr-defined]
    lines[first : last + 1] = [text.decode()]
