"""Commands that must be refused."""

from pathlib import Path

from workspaces import run_in, set_params

HEADER = "station,time,x\n"


def hours(count: int, station: str = "A") -> str:
    days = [f"2024-{1 + day // 28:02d}-{1 + day % 28:02d}" for day in range(count // 24 + 1)]
    times = [f"{day} {hour:02d}:00" for day in days for hour in range(24)][:count]
    return "".join(f"{station},{time},{5 + number % 24 + number % 7}\n" for number, time in enumerate(times))


def own_files(workspace: Path, content: str | bytes | None) -> None:
    """Point a workspace at a file of ours."""
    (workspace / "in").mkdir(exist_ok=True)
    if content is not None:
        (workspace / "in" / "a.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    set_params(
        workspace,
        {
            "dataset.source": "files",
            "dataset.options": {"paths": "in/*.csv", "station": "station", "time": "time"},
            "dataset.variables": {"x": {"unit": "m"}},
            "dataset.targets": ["x"],
            "dataset.covariates": [],
        },
    )


def refused(workspace: Path, *words: str, code: int = 2) -> str:
    """Run a command that must be refused in one sentence; give it."""
    done = run_in(workspace, *words, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == (1 if code == 2 else 2)
    return done.stderr.strip()


def refused_stage(workspace: Path, stage: str, *before: str) -> str:
    for verb in before:
        run_in(workspace, "tidegate", verb)
    return refused(workspace, "tidegate", stage)
