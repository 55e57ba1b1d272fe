"""Workspaces to test in: fresh clones of the working tree with tiny settings."""

import compileall
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent.parent
# As it was before MLflow set the store that a test uses. The suite runs on every core, so a run is to use only one.
ENVIRONMENT = {"TIDEGATE_AT_ONCE": "1", **os.environ}
REAL_DATA = ROOT.parent / "shared" / "data"
CODE = ("tidegate", "models", "flows")
# Below these folders files are replaced, and never changed in place: copies of a workspace may share them.
NEVER_CHANGED = (".git/objects", ".dvc/cache", "mlflow/artifacts")

TINY = {
    "dataset.options.stations": 3,
    "dataset.options.start": "2024-01-01T00:00:00Z",
    "dataset.options.end": "2024-04-01T00:00:00Z",
    "window.lookback_steps": 24,
    "window.horizon_steps": 6,
    "validate.rules.missing.tolerance": 0.3,
    "validate.rules.stuck.tolerance": 0.3,
    "train.epochs": 2,
    "train.epoch_windows": 512,
    "train.batch_windows": 64,
    "models.rnn.units": 4,
    "models.lstm.units": 4,
    "models.gru.units": 4,
}


def set_params(workspace: Path, values: dict[str, object]) -> None:
    """Change params.yaml as a user would, comments kept."""
    yaml = YAML()
    path = workspace / "params.yaml"
    content = yaml.load(path)
    for place, value in values.items():
        *sections, key = place.split(".")
        part = content
        for section in sections:
            part = part[section]
        part[key] = value
    yaml.dump(content, path)


def make_workspace(folder: Path) -> Path:
    """Make a fresh clone of the working tree, with tiny settings, as a git repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    set_params(folder, TINY)
    # The database that `make install` makes: a first start would make it too, only later.
    if (ROOT / ".prefect" / "prefect.db").exists():
        (folder / ".prefect").mkdir()
        shutil.copy2(ROOT / ".prefect" / "prefect.db", folder / ".prefect" / "prefect.db")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a workspace"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], cwd=folder, check=True)
    for package in CODE:
        compileall.compile_dir(folder / package, quiet=2)
    return folder


def keep_models(workspace: Path, *names: str) -> None:
    """Leave only these candidates in params.yaml, and commit."""
    yaml, path = YAML(), workspace / "params.yaml"
    yaml.preserve_quotes = True
    content = yaml.load(path)
    for name in set(content["models"]) - set(names):
        del content["models"][name]
    yaml.dump(content, path)
    words = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qam", "fewer candidates"]
    subprocess.run(words, cwd=workspace, check=True)


def copy_workspace(source: Path, folder: Path, *left_out: str) -> Path:
    """Copy a workspace, but for what is named; files that are never changed in place are the same in both."""
    shared = tuple(str(source / name) + os.sep for name in NEVER_CHANGED)

    def copy(old: str, new: str) -> None:
        try:
            (os.link if old.startswith(shared) else shutil.copy2)(old, new)
        except OSError:  # on another disk
            shutil.copy2(old, new)

    ignore = shutil.ignore_patterns(*left_out)
    shutil.copytree(source, folder, symlinks=True, ignore=ignore, copy_function=copy, dirs_exist_ok=True)
    return folder


def built_once(folder: Path, build: Callable[[Path], object]) -> Path:
    """Build a folder, unless another process of these tests has built it, or builds it now."""
    done = folder.with_name(f"{folder.name}.done")
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            done.touch()
    return folder


def run_in(workspace: Path, *words: str, check: bool = True, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of this environment in a workspace: `tidegate` and `dvc` by name."""
    modules = {"tidegate": ["-m", "tidegate"], "dvc": ["-m", "dvc"], "python": []}
    done = subprocess.run(
        [sys.executable, *modules[words[0]], *words[1:]],
        cwd=workspace, capture_output=True, text=True, env={**ENVIRONMENT, **env}, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if check:
        require_success(workspace, done)
    return done


def require_success(workspace: Path, done: "subprocess.CompletedProcess[str]") -> None:
    """Fail with what a command of a workspace has printed and logged, if it has failed."""
    if done.returncode:
        logs = sorted((workspace / "logs").glob("*.log"))
        tail = logs[-1].read_text(errors="replace")[-3000:] if logs else ""
        raise AssertionError(f"{done.args} ended with {done.returncode}\n{done.stdout}\n{done.stderr}\n{tail}")


def begun(workspace: Path, *words: str, until: str = "", **env: str) -> "subprocess.Popen[str]":
    """Start a Python process in a workspace; come back once it has printed a line that begins like this."""
    process = subprocess.Popen(
        [sys.executable, *words], cwd=workspace, env={**ENVIRONMENT, **env}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert not until or any(line.startswith(until) for line in process.stdout)
    return process


def ran(transcript: str) -> list[str]:
    """Name the stages whose lines a run has printed."""
    return re.findall(r"^(\S+) +.*\(\d+\.\d s\)$", transcript, flags=re.M)


def ask_for_pool(workspace: Path) -> None:
    """Let training ask for the pool gpu."""
    yaml, path = YAML(), workspace / "dvc.yaml"
    content = yaml.load(path)
    content["stages"]["train"]["do"]["meta"]["pool"] = "gpu"
    yaml.dump(content, path)
