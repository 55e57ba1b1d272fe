"""The team's set-up as it is written down: nothing open to the world, no secret in a file."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from servers import free_ports, prefect_server
from workspaces import ENVIRONMENT, ROOT, run_in

ONCE = {"deployments"}  # it ends when it is done


def compose() -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")
    return content


def test_every_service_says_whether_it_is_well_and_starts_after_what_it_needs() -> None:
    services = compose()["services"]
    assert {"postgres", "store-dvc", "store-mlflow", "mlflow", "prefect", "worker", "worker-gpu"} <= set(services)
    for name, service in services.items():
        assert name in ONCE or "healthcheck" in service, name
        for needed, when in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in ONCE else "service_healthy"
            assert needed in services and when["condition"] == expected


def test_what_is_published_is_published_on_loopback_alone() -> None:
    ports = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 3 and all(port.startswith("127.0.0.1:") for port in ports)


def test_secrets_come_from_the_environment_and_the_example_names_them_all() -> None:
    text = (ROOT / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    given = dict(line.split("=") for line in (ROOT / ".env.example").read_text().splitlines() if line[0] != "#")
    assert asked == {name for name in given if name != "OWNER"} and not any(given[name] for name in asked)
    for service in compose()["services"].values():
        for key, value in (service.get("environment") or {}).items():
            if re.search("KEY|PASSWORD|SECRET", key):
                assert value.startswith("${") and value.endswith(":?give it in .env}")
    assert "/.env" in (ROOT / ".gitignore").read_text().split()
    assert ".env" in (ROOT / ".dockerignore").read_text().split()


def test_no_client_holds_the_keys_of_mlflows_store() -> None:
    for name, service in compose()["services"].items():
        if name not in ("mlflow", "store-mlflow"):
            assert "MLFLOW_SECRET_KEY" not in str(service)


def test_the_image_is_built_from_the_pins_and_holds_no_secret_and_no_data() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"^FROM .* AS (\w+)", dockerfile, flags=re.M)) == {"cpu", "gpu", "serve"}
    assert len(re.findall(r"(?:pip install|pip sync) -q", dockerfile)) == dockerfile.count("--require-hashes") == 5
    kept_out = (ROOT / ".dockerignore").read_text().split("\n")
    private = {".env", ".venv", ".prefect", ".tidegate", "mlflow/mlflow.db"}
    assert private | {"data", "artifacts", "forecasts", "verification", "shadow", "replays"} <= set(kept_out)


@pytest.mark.skipif(not shutil.which("docker"), reason="docker is not here")
def test_compose_takes_the_file() -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not here")
    keys = dict.fromkeys(re.findall(r"\$\{(\w+):\?", (ROOT / "compose.yaml").read_text()), "x")
    words = ["docker", "compose", "--profile", "gpu", "config", "-q"]
    subprocess.run(words, cwd=ROOT, env={**ENVIRONMENT, **keys}, check=True)


@pytest.mark.slow
@pytest.mark.long
def test_the_example_pools_take_the_deployments_written_for_them(workspace: Path) -> None:
    template = ["--base-job-template", "examples/pools/kubernetes.job.json"]
    with prefect_server(workspace, free_ports(1)[0], PREFECT_HOME=str(workspace / ".prefect")) as url:
        for kind, more in (("docker", []), ("kubernetes", template)):
            run_in(workspace, "python", "-m", "prefect", "work-pool", "create", kind, "--type", kind, *more,
                   PREFECT_API_URL=url)  # fmt: skip
            printed = run_in(workspace, "python", "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file",
                          f"examples/pools/{kind}.yaml", PREFECT_API_URL=url)  # fmt: skip
            assert f"stage-{kind}" in printed.stdout
            shown = run_in(workspace, "python", "-m", "prefect", "deployment", "inspect", f"staging/stage-{kind}",
                           PREFECT_API_URL=url).stdout  # fmt: skip
            assert "tidegate-gpu" in shown
