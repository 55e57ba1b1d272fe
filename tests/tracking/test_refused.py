"""Records and MLflow's store: no environment redirects them, and one that is refused for good holds up no other."""

from dataclasses import replace
from pathlib import Path

import pytest
from workspaces import run_in

from tidegate.errors import RecordRefused
from tidegate.tracking import runs, store
from tidegate.tracking.store import EXPERIMENT, open_client, tracking_client
from tidegate.workspace.identity import Identity


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Identity:
    """An identity to record, in a workspace without any record."""
    monkeypatch.chdir(tmp_path)
    return Identity("linear", "data", "commit", False, "params", 0)


def record(identity: Identity, **metrics: float) -> int:
    return runs.record_training(identity, identity.candidate, {}, [{"epoch": 0, **metrics}], None, {})


def recorded() -> list[str]:
    client = open_client()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    return [run.info.run_name for run in client.search_runs([experiment.experiment_id])]


def test_a_record_that_is_refused_for_good_is_set_aside_and_the_next_one_goes_on(identity: Identity) -> None:
    assert record(identity, **{"loss=": 1.0}) == 0
    assert record(replace(identity, candidate="gru"), loss=1.0) == 0
    assert "gru" in recorded()
    folder = Path(".tidegate/unsent")
    assert not list(folder.glob("*.json"))
    (reason,) = (folder / "refused").glob("*.txt")
    assert "refuses this" in reason.read_text() and reason.with_suffix(".json").exists()


def test_a_store_that_refuses_is_told_from_one_that_does_not_answer(identity: Identity) -> None:
    with pytest.raises(RecordRefused, match="refuses this"), tracking_client() as client:
        client.search_runs(["0"], "no filter")


def test_what_a_user_can_repair_is_no_refusal(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "REMOTE", "unknown://x")
        assert record(identity, loss=1.0) == 1
    assert record(replace(identity, candidate="gru"), loss=1.0) == 0
    assert sorted(recorded()) == ["gru", "linear"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["MLFLOW_RUN_ID", pytest.param("MLFLOW_EXPERIMENT_ID", marks=pytest.mark.long), "MLFLOW_EXPERIMENT_NAME"]
)
def test_what_mlflow_reads_from_the_environment_redirects_no_record(identity: Identity, name: str) -> None:
    script = (
        "from tidegate.tracking import runs\n"
        "from tidegate.workspace.identity import Identity\n"
        f"runs.record_training({identity!r}, 'digest', {{}}, [], None, {{}})\n"
    )
    run_in(Path(), "python", "-c", script, **{name: "12345", "PYTHONPATH": str(Path(runs.__file__).parents[2])})
    assert recorded() == ["linear"]
