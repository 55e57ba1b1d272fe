"""Record a workspace of this release, for later releases to open: python tests/recorded/record.py NAME

Makes a fresh clone of the commit that is checked out, with the tests' tiny settings, and runs `tidegate run` and
`tidegate forecast` in it. What a user would have on disk afterwards is packed into tests/recorded/NAME.tar.xz, with
the champion's forecasts as its own packed code makes them, and `made_by.json`, which says the commit and the versions.
Figures are left out: nothing reads them, and they are most of the size. It takes two minutes.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
for folder in ("tests", "tests/support"):  # where `workspaces` stands in this release and in those before it
    sys.path.append(str(ROOT / folder))

from workspaces import make_workspace, run_in  # noqa: E402

KEPT = ("params.yaml", "dvc.lock", "data.dvc", "data", "artifacts", "mlflow", "forecasts")
PACKAGES = ("keras", "mlflow", "numpy", "pandas", "tensorflow")
PREDICT = """
import mlflow, pandas as pd
mlflow.set_tracking_uri("sqlite:///mlflow/mlflow.db")
recent = pd.read_parquet("artifacts/clean.parquet").groupby("station").tail(24)
recent.to_parquet("recent.parquet")
mlflow.pyfunc.load_model("models:/tidegate@champion").predict(recent).to_parquet("expected.parquet")
"""


def main(name: str) -> None:
    """Make a workspace, use it, and pack it."""
    if changed := _git("status", "--porcelain", "--untracked-files=no"):
        sys.exit(f"Commit first: {changed.split()[1]} has changed, so no commit names this code.")
    commit = _git("rev-parse", "HEAD").strip()
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder))
        run_in(workspace, "tidegate", "run")
        run_in(workspace, "tidegate", "forecast")
        run_in(workspace, "python", "-c", PREDICT)
        about = {
            "commit": commit,
            "command": f"python tests/recorded/record.py {name}",
            "python": sys.version.split()[0],
            "packages": {package: metadata.version(package) for package in PACKAGES},
        }
        (workspace / "made_by.json").write_text(json.dumps(about, indent=2) + "\n")
        with tarfile.open(HERE / f"{name}.tar.xz", "w:xz") as archive:
            for entry in (*KEPT, "recent.parquet", "expected.parquet", "made_by.json"):
                archive.add(workspace / entry, entry, filter=_without_figures)


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _without_figures(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    skipped = member.name.endswith((".png", "/README.md", ".pyc")) or "__pycache__" in member.name
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return None if skipped else member


if __name__ == "__main__":
    main(sys.argv[1])
