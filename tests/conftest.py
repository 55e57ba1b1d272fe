"""One tiny workspace, trained once for all tests that need one."""

from pathlib import Path

import pytest
from workspaces import REAL_DATA, built_once, copy_workspace, keep_models, make_workspace, run_in


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all processes of these tests share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def template(shared: Path) -> Path:
    """A fresh workspace, to copy."""
    return built_once(shared / "template", make_workspace)


@pytest.fixture(scope="session")
def trained(shared: Path, template: Path) -> Path:
    """A workspace in which `tidegate run` has run once. Tests leave it as it is, and run no command in it."""

    def train(folder: Path) -> None:
        copy_workspace(template, folder)
        (folder / "transcript.txt").write_text(run_in(folder, "tidegate", "run").stdout)

    return built_once(shared / "trained", train)


@pytest.fixture(scope="session")
def cheap(shared: Path, template: Path) -> Path:
    """A workspace with data/ and candidates that train in a second. Tests leave it as it is."""

    def build(folder: Path) -> None:
        copy_workspace(template, folder)
        keep_models(folder, "seasonal_naive", "linear")
        run_in(folder, "tidegate", "ingest")

    return built_once(shared / "cheap", build)


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained workspace to change at will, with a registry of its own."""
    copy = copy_workspace(trained, tmp_path / "workspace", "mlflow", "logs")
    (copy / "mlflow").mkdir()
    return copy


@pytest.fixture
def workspace(template: Path, tmp_path: Path) -> Path:
    """A fresh workspace."""
    return copy_workspace(template, tmp_path)


@pytest.fixture(scope="session")
def beijing() -> Path:
    """The folder of the Beijing air-quality files."""
    folder = REAL_DATA / "beijing"
    if not folder.exists():
        pytest.skip(f"{folder} is not here")
    return folder


# One that has `trained` made, and two that take as long and need it not: no core waits for the other.
FIRST = ["test_drivers.py", "test_replay.py", "test_full_disk.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that no core waits for one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def rank(item: pytest.Item) -> int:
        name = item.path.name
        return FIRST.index(name) if name in FIRST else len(FIRST) + (item.path not in slow)

    items.sort(key=rank)
