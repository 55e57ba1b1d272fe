"""What every command has in common: a help that fits, --quiet, --json, and output that a pipe can take."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from commands import HEADER, hours, invoke, own_files, refused
from workspaces import ENVIRONMENT, run_in, set_params

from tidegate.cli import app
from tidegate.cli.json_results import as_json

PROGRAM = typer.main.get_command(app)
GROUPS = {"tidegate": PROGRAM, "tidegate quarantine": PROGRAM.commands["quarantine"]}
COMMANDS = [*PROGRAM.commands, *(f"quarantine {name}" for name in PROGRAM.commands["quarantine"].commands)]


def help_of(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tidegate", *words, "--help"],
        env={**ENVIRONMENT, "COLUMNS": "80"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("words", [[], ["quarantine"]])
def test_the_one_line_help_of_no_command_is_cut_off_at_80_columns(words: list[str]) -> None:
    printed = help_of(*words)
    listed = printed.split("Commands:\n")[1].splitlines()
    assert len(listed) >= 3 and not any(line.endswith("...") for line in listed)
    assert max(map(len, printed.splitlines())) <= 80


def test_every_command_takes_quiet_and_those_with_a_result_json() -> None:
    given = {}
    for words in COMMANDS:
        command = PROGRAM
        for word in words.split():
            command = command.commands[word]
        given[words] = {name for param in command.params for name in param.opts}
    del given["quarantine"]
    assert [words for words, options in given.items() if "--quiet" not in options] == []
    with_result = {words for words, options in given.items() if "--json" in options}
    assert {"run", "forecast", "verify", "watch", "champion", "lineage", "backtest"} <= with_result
    assert {"init", "ingest", "train", "replay"} <= with_result
    assert not {"up", "serve"} & with_result


def test_help_does_not_import_what_only_the_work_needs() -> None:
    heavy = {"tensorflow", "mlflow", "prefect", "dvc", "pandas", "pydantic", "rich"}
    for words in (["--help"], ["forecast", "--help"], ["quarantine", "list", "--help"]):
        script = (
            f"import sys; from tidegate.cli import app\ntry: app({words})\nfinally: "
            f"print(*sorted({heavy} & set(sys.modules)), file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stderr.strip() == ""


def test_the_version_is_told_outside_a_workspace_too(tmp_path: Path) -> None:
    assert invoke(tmp_path, "--version").stdout == "tidegate 0.1.0\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(workspace: Path, shell: str) -> None:
    line = "tidegate quarantine re"
    asked = {"COMP_WORDS": line, "COMP_CWORD": "2", "_TYPER_COMPLETE_ARGS": line}
    asked["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    done = run_in(workspace, "tidegate", _TIDEGATE_COMPLETE=f"complete_{shell}", **asked)
    assert "release" in done.stdout and "show" not in done.stdout


def test_quiet_prints_nothing_but_errors(workspace: Path) -> None:
    own_files(workspace, HEADER + hours(48))
    assert invoke(workspace, "ingest", "--quiet").stdout == ""
    refused = invoke(workspace, "ingest", "-q", "--as-of", "never", check=False)
    assert (refused.returncode, refused.stdout) == (2, "") and "never" in refused.stderr


def test_json_prints_the_result_and_nothing_else(workspace: Path) -> None:
    measured = {line.split(",")[1]: line for line in hours(400).splitlines()}
    own_files(workspace, HEADER + "\n".join((measured | {"2024-01-05 04:00": "A,2024-01-05 04:00,900"}).values()))
    set_params(workspace, {"dataset.variables": {"x": {"unit": "m", "min": 0, "max": 100}}})
    ingested = json.loads(invoke(workspace, "ingest", "--json").stdout)
    assert ingested["stage"] == "ingest" and "400 rows" in ingested["result"]
    assert json.loads(invoke(workspace, "validate", "--json").stdout)["stage"] == "validate"
    (row,) = json.loads(invoke(workspace, "quarantine", "show", "A", "--json").stdout)
    assert (row["rule"], row["value"], row["time"]) == ("range", 900, "2024-01-05T04:00:00+00:00")
    assert "900" in invoke(workspace, "quarantine", "show", "A").stdout


def test_a_pipe_gets_no_control_character_whatever_the_environment_says(workspace: Path) -> None:
    own_files(workspace, HEADER + hours(48))
    colours = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "TERM": "xterm-256color"}
    done = subprocess.run(
        [sys.executable, "-m", "tidegate", "ingest"], cwd=workspace, env={**ENVIRONMENT, **colours},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    refused = subprocess.run(
        [sys.executable, "-m", "tidegate", "train", "nobody"], cwd=workspace, env={**ENVIRONMENT, **colours},
        capture_output=True, text=True,
    )  # fmt: skip
    for printed in (done.stdout, done.stderr, refused.stdout, refused.stderr):
        assert [character for character in printed if not character.isprintable() and character != "\n"] == []
    assert done.stdout.startswith("ingest") and refused.returncode == 2


def test_what_is_not_known_is_null_and_a_time_is_iso_8601() -> None:
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({"at": [pd.Timestamp("2026-01-01", tz="UTC"), pd.NaT], "n": [1.5, np.nan]})
    result = {"rows": frame, "folder": Path("forecasts"), "count": np.int64(3)}
    assert json.loads(as_json(result)) == {
        "rows": [{"at": "2026-01-01T00:00:00+00:00", "n": 1.5}, {"at": None, "n": None}],
        "folder": "forecasts",
        "count": 3,
    }


def test_init_names_what_was_given_to_it_and_no_key_of_params_yaml(workspace: Path) -> None:
    assert refused(workspace, "init", "nowhere.csv").endswith("correct the path that you gave.")
    (workspace / "a.csv").write_text(HEADER)
    message = refused(workspace, "init", "a.csv")
    assert "remove it from the path that you gave" in message and "dataset.options" not in message
