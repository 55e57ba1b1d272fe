"""What the drivers cost, as ratios in one interleaved run, in fresh clones of the last commit.

    make bench                                  about 10 minutes on two cores; prints six tables
    .venv/bin/python bench/overhead.py --rounds 1

1. The default run through Prefect, with a server up, against the same stage functions called in a row in one process,
   without Prefect and without DVC. Target: at most 1.15.
2. `tidegate run` against `dvc repro` with nothing to do, `tidegate status` against `dvc status`, and help against
   `import typer`, by processor time. Targets: at most 1.5, 1.2 and 2.
3. Each stage as a process of its own: its time, and the heavy libraries that it loads. Target: none that it does not
   use.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import page
from rich.table import Table

from tidegate.cli.servers import prefect_api

ROOT = Path(__file__).parent.parent
MADE = ("artifacts", "data", "dvc.lock", "mlflow/mlflow.db", "mlflow/artifacts", ".dvc/cache", ".dvc/tmp")

IN_A_ROW = """
from tidegate.pipeline import drive
settings = drive.checked_settings()
training = [["train", name] for name in settings.models]
for words in [["ingest"], ["validate"], ["window"], *training, ["evaluate"], ["register"]]:
    drive.run_stage(words)
"""

ONE_STAGE = """
import sys
from tidegate.pipeline import drive
drive.run_stage(sys.argv[1:])
heavy = ("tensorflow", "great_expectations", "mlflow", "prefect", "dvc", "pandas", "matplotlib")
print("loaded:", *[name for name in heavy if name in sys.modules])
"""

USES = {
    "ingest": {"pandas"},
    "validate": {"pandas", "great_expectations"},
    "window": {"pandas"},
    "train seasonal_naive": {"pandas", "mlflow"},
    "train linear": {"pandas", "mlflow"},
    "train gru": {"pandas", "mlflow", "tensorflow"},
    "evaluate": {"pandas", "mlflow", "tensorflow", "matplotlib"},
    "register": {"pandas", "mlflow", "tensorflow"},
}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=2, help="of the whole run; short ones get more")
    rounds = options.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        subprocess.run(["git", "clone", "-q", ROOT, workspace], check=True)
        shutil.copytree(ROOT / ".prefect", workspace / ".prefect", dirs_exist_ok=True)
        os.chdir(workspace)
        page.show([whole_run(rounds), *nothing_to_do(3 * rounds + 1), stage_imports()])


def whole_run(rounds: int) -> Table:
    with prefect_api() as wait:
        url = wait()
        drivers = {
            "stage functions in a row": lambda: python(["-c", IN_A_ROW]),
            "tidegate run, server up": lambda: python(
                ["-m", "tidegate", "run"], PREFECT_API_URL=url, TIDEGATE_AT_ONCE="1"
            ),
        }
        return compare("The default run", drivers, rounds, before=forget, target=1.15)


def nothing_to_do(rounds: int) -> Iterator[Table]:
    pairs = {
        "Nothing to do": (["-m", "dvc", "repro", "-q"], ["-m", "tidegate", "run"], 1.5),
        "A look": (["-m", "dvc", "status"], ["-m", "tidegate", "status"], 1.2),
        "Help": (["-c", "import typer"], ["-m", "tidegate", "--help"], 2.0),
        "Help of a command": (["-c", "import typer"], ["-m", "tidegate", "forecast", "--help"], 2.0),
    }
    for title, (reference, ours, target) in pairs.items():
        drivers = {" ".join(words): partial(python, words) for words in (reference, ours)}
        yield compare(title, drivers, rounds, before=lambda: None, target=target, clock=children_seconds)


def stage_imports() -> Table:
    table = Table("stage", "seconds", "heavy libraries loaded", "not used", title="A stage a process")
    for name, uses in USES.items():
        seconds, output = timed(lambda name=name: python(["-c", ONE_STAGE, *name.split()]))
        loaded = set(output.rsplit("loaded:", 1)[1].split())
        table.add_row(name, f"{seconds:.1f}", ", ".join(sorted(loaded)), ", ".join(sorted(loaded - uses)) or "–")
    return table


def compare(
    title: str,
    drivers: dict[str, Callable[[], str]],
    rounds: int,
    before: Callable[[], None],
    target: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Table:
    """Time the drivers in turns; give medians, and the ratio of the second to the first."""
    seconds: dict[str, list[float]] = {name: [] for name in drivers}
    for _ in range(rounds):
        for name, run in drivers.items():
            before()
            seconds[name].append(timed(run, clock)[0])
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    reference = next(iter(medians.values()))
    table = Table("driver", "seconds, median", "of each round", "ratio", title=f"{title} (target: at most {target:g})")
    for name, times in seconds.items():
        each = " ".join(f"{value:.2f}" for value in times)
        table.add_row(name, f"{medians[name]:.2f}", each, f"{medians[name] / reference:.2f}")
    return table


def timed(run: Callable[[], str], clock: Callable[[], float] = time.perf_counter) -> tuple[float, str]:
    began = clock()
    output = run()
    return clock() - began, output


def children_seconds() -> float:
    """Give the processor time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def python(words: list[str], **env: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    done = subprocess.run(
        [sys.executable, *words], env={**environment, **env}, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise SystemExit(f"{words} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def forget() -> None:
    """Make the workspace as good as new."""
    for name in MADE:
        path = Path(name)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
