"""What a command has measured comes into the place that its marker keeps, and nowhere else."""

import importlib
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from rich.table import Table
from workspaces import ROOT

PAGE = """# Speed

<!-- made by: python bench/one.py; at: abc; of: bench models -->

old

<!-- end of what it made -->

<!-- made by: python bench/two.py; at: abc; of: bench models -->

kept

<!-- end of what it made -->
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """bench/page.py, with a page of its own."""
    monkeypatch.syspath_prepend(ROOT / "bench")
    module, drawing = (importlib.import_module(name) for name in ("page", "drawing"))
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "pages", lambda: iter([tmp_path / "speed.md"]))
    monkeypatch.setattr(drawing, "IMAGES", tmp_path)
    (tmp_path / "speed.md").write_text(PAGE)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(tmp_path)]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "empty"]):
        subprocess.run([*git, *words], check=True)
    return module


def test_tables_come_into_the_place_of_their_command_with_the_commit(page: ModuleType, tmp_path: Path) -> None:
    table = Table("net", "windows/s", title="LSTM (load 0.1)")
    table.add_row("ours", "1,000")
    page.show(["A sentence.", table], "python bench/one.py")
    written = (tmp_path / "speed.md").read_text()
    assert f"<!-- made by: python bench/one.py; at: {page.commit()}; of: bench models -->" in written
    assert "LSTM (load 0.1):\n\n| net | windows/s |\n| --- | --- |\n| ours | 1,000 |\n" in written
    assert "A sentence." in written and "old" not in written
    assert written.endswith(PAGE[PAGE.index("<!-- made by: python bench/two.py") :])


def test_a_drawing_is_kept_beside_its_page(page: ModuleType, tmp_path: Path) -> None:
    lines = {"ours": [(32, 4000), (256, 3600)], "Keras fit": [(32, 1800), (256, 1300)]}
    shown = page.Drawing("speed", "Windows a second", "batch", "windows/s", {"LSTM": lines, "GRU": lines})
    page.show([shown], "python bench/two.py --short")
    assert not (tmp_path / "speed.png").exists()
    page.show([shown], "python bench/two.py")
    assert "![Windows a second](images/speed.png)" in (tmp_path / "speed.md").read_text()
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_a_command_with_other_options_changes_no_page(page: ModuleType, tmp_path: Path) -> None:
    page.show(["Something else."], "python bench/one.py --short")
    assert (tmp_path / "speed.md").read_text() == PAGE


def test_each_benchmark_of_make_bench_has_its_place(page: ModuleType) -> None:
    commands = [
        line.split("$(BIN)/")[1]
        for line in (ROOT / "Makefile").read_text().splitlines()
        if "@$(BIN)/python bench/" in line
    ]
    pages = "".join((ROOT / name).read_text() for name in ("docs/speed.md", "docs/data.md", "docs/accuracy.md"))
    written = [command for command in commands if "page.show" in (ROOT / command.split()[1]).read_text()]
    assert written and all(f"<!-- made by: {command}; at: " in pages for command in written)
