"""What a retraining has come to, as an artifact of its flow run: the verdict, the scores, and where to look further."""

from prefect.artifacts import create_markdown_artifact

from tidegate.errors import ServiceError
from tidegate.evaluation.score_table import ScoreTable
from tidegate.pipeline import drive
from tidegate.tracking import pages
from tidegate.workspace.paths import DATA_DOCS, EVALUATION, REGISTRATION, REPORT, read_json
from tidegate.workspace.settings import Settings


def show_result() -> None:
    """Show the result of the stages evaluate and register, if they have one."""
    if EVALUATION.exists() and REGISTRATION.exists():
        text = described(drive.checked_settings())
        create_markdown_artifact(text, key="result", description="Verdict and scores of the candidates")


def described(settings: Settings) -> str:
    """Describe the result in Markdown."""
    scores, decision = ScoreTable.of(settings, read_json(EVALUATION / "metrics.json")), read_json(REGISTRATION)
    version = f" (version {decision['version']})" if decision.get("version") else ""
    verdict = (
        "is champion" if decision["promoted"] else "is registered" if decision["registered"] else "is not registered"
    )
    return "\n".join(
        [
            f"## {decision['candidate']}{version} {verdict}",
            "",
            f"{decision['reason']}.",
            "",
            *scores.as_markdown(),
            "",
            f"- {_runs()}",
            f"- Report: `{REPORT}` in the workspace",
            f"- Data Docs of the gate: `{DATA_DOCS}/index.html`",
        ]
    )


def _runs() -> str:
    try:
        return f"[The runs in MLflow, best first]({pages.runs_url()})"
    except ServiceError as error:
        return str(error)
