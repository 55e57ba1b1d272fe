"""Runs the examples as their pages say, and writes what each prints into its page; the default's into README.md.

    .venv/bin/python bench/examples.py                   all: about 25 minutes on two cores
    .venv/bin/python bench/examples.py default ett       some of them

Each runs in a fresh clone of the last commit. An example whose data are not beside the repository is left out.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import page

ROOT = Path(__file__).parent.parent
DEFAULT = "make run"
DATA = ROOT.parent / "shared"


def main() -> None:
    names = sys.argv[1:] or ["default", *sorted(path.parent.name for path in ROOT.glob("examples/*/README.md"))]
    for name in names:
        command = DEFAULT if name == "default" else command_of(ROOT / "examples" / name / "README.md")
        if "../shared" in (command + settings_of(name)) and not DATA.exists():
            print(f"{name}: {DATA} is not here: left out")
            continue
        began = time.monotonic()
        printed = run(command)
        minutes = (time.monotonic() - began) / 60
        print(f"{name}: {minutes:.1f} minutes", flush=True)
        took = page.machine(f"{minutes:.1f} minutes, the installation apart")
        page.put(command, f"{took}\n\n```\n{printed}\n```")


def command_of(text: Path) -> str:
    """Give the command of an example's page."""
    found = re.search(r"```sh\n(.*?)```", text.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert found, f"{text} has no command"
    return found[1].strip()


def settings_of(name: str) -> str:
    path = ROOT / "examples" / name / "params.yaml"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def run(command: str) -> str:
    """Run a command in a fresh clone; give what it prints from the first table's title on, up to the champion."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "tidegate"
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        (clone / ".venv").symlink_to(ROOT / ".venv")
        (clone.parent / "shared").symlink_to(DATA)
        words = command.replace("make run", f"{shlex.quote(sys.executable)} -m tidegate run")
        words = words.replace(".venv/bin/tidegate", f"{shlex.quote(sys.executable)} -m tidegate")
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_"))}
        done = subprocess.run(["bash", "-c", words], cwd=clone, env=env, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{command} failed:\n{done.stdout}\n{done.stderr}")
    lines = done.stdout.splitlines()
    titled = [number for number, line in enumerate(lines) if line.startswith(("Test span", "classify"))]
    last = [number for number, line in enumerate(lines) if line.startswith(("Champion:", "The nets"))]
    return "\n".join(lines[titled[0] : last[-1] + 1])


if __name__ == "__main__":
    main()
