"""The pages of the documentation: no link is dead, and figures that are older than what they show are named."""

import re
import subprocess
from pathlib import Path

import pytest
from workspaces import ROOT

from docs import check

PAGES = [path for pattern in ("*.md", "docs/**/*.md", "examples/*/*.md") for path in ROOT.glob(pattern)]
LINK = re.compile(r"\]\((?!https?:|mailto:)(?P<path>[^)#\s]*)(?:#(?P<heading>[^)\s]+))?\)")
PART = re.compile(r'^--8<-- "(.+)"$', flags=re.MULTILINE)  # another file that the site puts here
FENCED = re.compile(r"^ *```.*?^ *```", flags=re.MULTILINE | re.DOTALL)
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]


def headings(page: Path) -> set[str]:
    """Name the headings of a page as links do."""
    whole = PART.sub(lambda part: (ROOT / part[1]).read_text(), page.read_text())
    titles = re.findall(r"^#+ (.+)$", FENCED.sub("", whole), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_of_a_page_is_dead(page: Path) -> None:
    for link in LINK.finditer(FENCED.sub("", page.read_text())):
        target = page.parent / link["path"] if link["path"] else page
        assert target.exists(), link[0]
        if link["heading"] and target.suffix == ".md":
            assert link["heading"] in headings(target), link[0]


def test_a_figure_is_called_old_once_what_it_depends_on_has_changed(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        return subprocess.run([*GIT, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "code.py").write_text("1")
    git("add", "-A")
    git("commit", "-qm", "code")
    (tmp_path / "README.md").write_text(f"<!-- made by: make run; at: {git('rev-parse', 'HEAD')}; of: code.py -->")
    git("add", "-A")
    git("commit", "-qm", "a page with a figure")
    assert list(check.old_figures(tmp_path)) == []
    (tmp_path / "code.py").write_text("2")
    git("commit", "-qam", "other code")
    (old,) = check.old_figures(tmp_path)
    assert old.startswith("README.md: make run ran at ") and old.endswith("up to 1 commits since have changed code.py")
