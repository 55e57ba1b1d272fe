"""The commands and the code in README and docs run as they stand, page by page, or are listed here with a reason."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspaces import ENVIRONMENT, ROOT, built_once, copy_workspace, make_workspace, run_in, set_params

NAMES = [
    "alerts",
    "candidates",
    "data",
    "forecasts",
    "lecture",
    "operations",
    "tutorial",
]  # contributing has a test of its own
PAGES = ["README.md", *(f"docs/{name}.md" for name in NAMES)]
BLOCK = re.compile(r"^(?P<indent> *)```(?P<kind>sh|bash|python)\n(?P<code>.*?)^ *```", flags=re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"(?<!\S)#.*")
NOT_RUN = {  # what a command or a block of code holds: why it is not run
    "make test": "this is it",
    "make up": "runs until Ctrl-C: tests/cli starts it",
    "make install": "takes minutes, and a network: .ci/run does it",
    "measurements/*.csv": "the reader's own files: tests/onboarding has such",
    "postgresql+psycopg2": "needs a server of PostgreSQL: tests/team has one",
    "tidegate tune": "thirty trainings: tests/experiments does fewer",
    "tidegate backtest": "as many trainings as folds: tests/experiments does fewer",
    "tidegate classify": "the reader's own files: examples/sequences has such",
    "tidegate replay": "weeks, a few seconds a day: tests/pipeline replays fewer",
    "tidegate promote 7": "there is no version 7: tests/forecasting promotes",
    "tidegate rollback": "there is no champion of before: tests/forecasting rolls back",
    "quarantine release": "values of other data: tests/quality releases",
    "--as-of 2025-06-01T00:00": "before the first row of the small data here",
    "--backfill 2020-01-01": "six years of other data",
    "dvc remote modify": "an object store: tests/team has one",
    "git commit -am": "the reader's own commit",
    "cp .env.example": "the set-up in containers: tests/team starts the same as processes",
    "docker ": "containers: needs Docker",
    "mlflow server": "runs until Ctrl-C: tests/team starts it",
    "prefect ": "a team's server: tests/team starts it",
    "export ": "addresses of a team's servers",
    "TF_CONFIG": "two machines: tests/models trains on two replicas",
    "tidegate train gru              # on the second": "two machines",
    "dask ": "a Dask cluster: tests/flows starts one",
    "TIDEGATE_DASK": "a Dask cluster: tests/flows starts one",
    "gpu.txt": "a GPU",
    "tidegate serve": "runs until Ctrl-C: tests/serving starts it",
    "curl ": "asks a service: tests/serving asks it",
    "git clone": "tests/team restores into a clone",
    "dvc pull": "tests/team restores into a clone",
    "suite.add_expectation": "a suite of the reader's own: tests/quality has one",
    "beijing-pm25-alert": "the forecasts of an example",
    "equations.": "run together by tests/docs/test_lecture.py",
}


def parts(page: str) -> Iterator[tuple[str, str]]:
    """Give each command of a page, and each block of Python: its kind and its text."""
    for block in BLOCK.finditer((ROOT / page).read_text()):
        code = "".join(line.removeprefix(block["indent"]) for line in block["code"].splitlines(keepends=True))
        if block["kind"] == "python":
            yield "python", code
            continue
        command = ""
        for line in code.splitlines():
            command += line + "\n"
            if COMMENT.sub("", command).count("'") % 2 == 0 and not line.endswith("\\"):
                yield "sh", command.strip()
                command = ""


def reason(text: str) -> str | None:
    """Say why this is not run; None if it is."""
    return next((why for part, why in NOT_RUN.items() if part in text), None)


def test_what_is_not_run_stands_in_a_page() -> None:
    everything = "\n".join(text for page in PAGES for _, text in parts(page))
    assert [part for part in NOT_RUN if part not in everything] == []


@pytest.fixture(scope="session")
def documented(shared: Path) -> Path:
    """A small workspace after `make run`, with the stations and the days that the pages name, and a forecast."""

    def build(folder: Path) -> None:
        make_workspace(folder)
        span = {"start": "2025-08-01T00:00:00Z", "end": "2026-01-01T00:00:00Z", "stations": 4}
        set_params(folder, {f"dataset.options.{key}": value for key, value in span.items()})
        words = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qam", "other days"]
        subprocess.run(words, cwd=folder, check=True)
        run_in(folder, "tidegate", "run")
        run_in(folder, "tidegate", "forecast")

    return built_once(shared / "documented", build)


def environment_in(workspace: Path) -> None:
    """Put this environment where the pages' commands look for it."""
    folder = workspace / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name, words in {"tidegate": "-m tidegate", "dvc": "-m dvc", "python": ""}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (folder / name).chmod(0o755)
    (workspace / ".venv" / ".installed").touch()


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page: str, documented: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(documented, tmp_path / "workspace")
    environment_in(workspace)
    path = os.pathsep.join([str(Path(sys.executable).parent), ENVIRONMENT["PATH"]])
    for kind, text in parts(page):
        if reason(text) is None:
            words = ["bash", "-ec", text] if kind == "sh" else [sys.executable, "-c", text]
            done = subprocess.run(
                words, cwd=workspace, capture_output=True, text=True, env={**ENVIRONMENT, "PATH": path}
            )
            assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
