"""The code inside a registered model has a name of its own: it meets no other code in the process that loads it."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from workspaces import ROOT

from tidegate.tracking import packing
from tidegate.workspace.paths import read_json

APPLICATION = """
import models, flows  # the application's own
import mlflow, pandas as pd, sys
model = mlflow.pyfunc.load_model('models:/tidegate@champion')
print(model.predict(pd.read_parquet('recent.parquet'))['method'].unique())
assert models.__file__.endswith('application/models.py') and 'tidegate' not in sys.modules
"""


def imported(path: Path) -> set[str]:
    """Name the packages that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(str(node.module))
    return {name.partition(".")[0] for name in names}


def test_no_packed_module_imports_a_package_by_a_name_of_the_application(tmp_path: Path) -> None:
    package = packing.pack(tmp_path)
    modules = list(package.rglob("*.py"))
    assert len(modules) > 100 and package.name in imported(package / "tidegate" / "forecasting" / "served.py")
    for module in modules:
        assert not imported(module) & {"models", "tidegate"}, module
    assert packing.pack(tmp_path / "again").name == package.name


@pytest.mark.parametrize(
    ("line", "within"),
    [
        ("import models", "from p import models"),
        ("import models.nets.files", "import p.models.nets.files; from p import models"),
        ("import models.naive as n", "from p.models import naive as n"),
        ("from tidegate.errors import (\n    A,\n    B as b,\n)", "from p.tidegate.errors import A, B as b"),
        ("if x:\n    from models import naive  # °", "if x:\n    from p.models import naive  # °"),
        ('F = {"naive": "models.naive", "é": "models"}', 'F = {"naive": \'p.models.naive\', "é": "models"}'),
        ("import modelsx, os", "import modelsx, os"),
        ('"models.no_such"', '"models.no_such"'),
    ],
)
def test_an_import_is_rewritten_and_nothing_else(line: str, within: str) -> None:
    assert packing.rewritten(line, "p") == within


def run_elsewhere(folder: Path, script: str, workspace: Path) -> str:
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{workspace}/mlflow/mlflow.db"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def application(trained: Path, tmp_path: Path) -> Path:
    """A folder with packages of the application's own, and the rows to forecast from."""
    folder = tmp_path / "application"
    folder.mkdir()
    (folder / "models.py").write_text("OWN = True\n")
    (folder / "flows.py").write_text("OWN = True\n")
    rows = pd.read_parquet(trained / "artifacts" / "clean.parquet")
    rows[rows["time"] > rows["time"].max() - pd.Timedelta("4D")].to_parquet(folder / "recent.parquet")
    return folder


@pytest.mark.slow
def test_an_application_with_models_and_flows_of_its_own_loads_the_champion(application: Path, trained: Path) -> None:
    assert "model" in run_elsewhere(application, APPLICATION, trained)


@pytest.mark.slow
def test_two_versions_with_different_code_forecast_in_one_process(
    application: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = read_json(trained / "artifacts" / "registration.json")["candidate"]
    artifacts = {
        "model": str(trained / "artifacts" / "models" / candidate),
        "spec": str(trained / "artifacts" / "windows" / "spec.json"),
    }
    other = tmp_path / "other"
    for name in packing.PACKAGES:
        shutil.copytree(ROOT / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    changed = other / "tidegate" / "workspace" / "columns.py"
    before = changed.read_text()
    changed.write_text(before.replace('MODEL, BASELINE = "model"', 'MODEL, BASELINE = "changed"'))
    assert changed.read_text() != before
    for name, root in (("one", ROOT), ("two", other)):
        monkeypatch.setattr(packing, "ROOT", root)
        package = packing.pack(tmp_path / f"code-{name}")
        with packing.importable(package):
            mlflow.pyfunc.save_model(
                application / name,
                python_model=str(packing.served_file(package)),
                code_paths=[str(package)],
                artifacts=artifacts,
                pip_requirements=["mlflow"],
            )
    script = (
        "import mlflow, pandas as pd\n"
        "rows = pd.read_parquet('recent.parquet')\n"
        "one, two = (mlflow.pyfunc.load_model(name).predict for name in ('one', 'two'))\n"
        "first, second, again = one(rows), two(rows), one(rows)\n"
        "assert first.equals(again) and first.drop(columns='method').equals(second.drop(columns='method'))\n"
        "print(list(first['method'].unique()), list(second['method'].unique()))\n"
    )
    assert run_elsewhere(application, script, trained).strip().splitlines()[-1] == "['model'] ['changed']"
