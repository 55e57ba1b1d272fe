"""`tidegate init` reads other people's tables as they are meant, or says exactly what to do with them."""

import shutil
from pathlib import Path

import pytest
from builders import Shape
from shapes_of_tables import TABLES
from shapes_of_times import TIMES
from workspaces import ROOT

from tidegate.errors import SourceError, UserError
from tidegate.onboarding import write
from tidegate.onboarding.proposal import propose
from tidegate.sources import open_source
from tidegate.workspace import settings

SHAPES = (*TIMES, *TABLES)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_table_is_read_as_it_is_meant_or_refused_with_what_helps(
    shape: Shape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    source, right = shape.write(tmp_path), shape.reading
    if right.refused:
        with pytest.raises((UserError, SourceError)) as caught:
            propose(source, None, shape.told, settings.load_settings())
        assert right.refused in str(caught.value) and "\n" not in str(caught.value)
        return
    found = propose(source, None, shape.told, settings.load_settings())
    own = found.dataset
    assert own["options"].get("time") == right.time
    assert own["options"] == {**own["options"], **right.options}
    assert (own["frequency"], own["time_zone"], found.stations) == (right.frequency, right.zone, right.stations)
    assert right.target is None or own["targets"] == [right.target]
    assert right.span is None or tuple(f"{end:%Y-%m-%d %H:%M}" for end in found.span) == right.span
    assert {name: found.profiles[name].sentinels for name in right.sentinels} == right.sentinels
    assert right.variables is None or tuple(found.profiles) == right.variables
    write.write(found)
    source_read = open_source(settings.load_settings().dataset)
    assert sum(len(chunk) for piece in source_read.pieces(None) for chunk in piece.read()) == found.rows


def test_there_are_tables_of_many_shapes() -> None:
    assert len({shape.name for shape in SHAPES}) == len(SHAPES) >= 40
