"""Files for deploying: they parse, hold what their pages promise, and fit the service."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from countermand.settings import Settings

ROOT: Final = Path(__file__).parent.parent
DEPLOY: Final = ROOT / "deploy"
EXPOSURE_MAX: Final = 2.0

with_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")


FILES: Final = sorted(path for path in DEPLOY.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_settings_that_are_named_exist(path: Path) -> None:
    known = {f"COUNTERMAND_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall("COUNTERMAND_[A-Z_]+", path.read_text())) <= known


@with_systemd
def test_the_unit_is_hardened() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", DEPLOY / "countermand.service"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"exposure level for countermand.service: ([0-9.]+)", done.stdout)
    assert found
    assert float(found[1]) < EXPOSURE_MAX


@with_systemd
def test_the_unit_is_valid(tmp_path: Path) -> None:
    unit = (DEPLOY / "countermand.service").read_text()
    here = tmp_path / "countermand.service"
    here.write_text(unit.replace("/opt/countermand/bin/countermand", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_no_container_of_ours_may_more_than_it_needs() -> None:
    for name in ("migrate", "countermand"):
        service = compose()["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]


def test_the_database_has_no_password_of_its_own_and_is_not_published() -> None:
    database = compose()["services"]["database"]
    assert database["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
    assert "ports" not in database
    assert compose()["services"]["countermand"]["ports"] == ["127.0.0.1:8765:8765"]


def test_the_schema_is_there_before_the_service_is() -> None:
    services = compose()["services"]
    assert services["countermand"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}


def test_as_many_processes_serve_as_the_file_beside_it_says() -> None:
    settings = compose()["services"]["countermand"]["environment"]
    assert settings == compose()["services"]["migrate"]["environment"] | {"COUNTERMAND_PROCESSES": "${PROCESSES:-1}"}


def test_the_image_runs_as_nobody_in_particular_and_tells_its_health() -> None:
    last = (DEPLOY / "Containerfile").read_text().rpartition("FROM ")[2]
    assert re.search("^USER 10001:10001$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert "/healthz" in last
    copied = re.findall("^COPY (?!--from)(.+)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    assert all((ROOT / each).exists() for line in copied for each in line.split()[:-1])


@pytest.mark.skipif(shutil.which("caddy") is None, reason="Caddy is not here")
def test_caddy_takes_its_file(tmp_path: Path) -> None:
    done = subprocess.run(
        ["caddy", "validate", "--adapter", "caddyfile", "--config", DEPLOY / "Caddyfile"],
        capture_output=True,
        text=True,
        env={
            "HOME": str(tmp_path),
            "XDG_DATA_HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path),
            "PATH": "/usr/bin",
        },
        check=False,
    )
    assert done.returncode == 0, done.stderr
