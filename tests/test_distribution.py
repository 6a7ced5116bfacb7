"""What is uploaded to the package index: it is whole, described, and installed where nothing else is."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import httpx2
import pytest
import yaml
from readme_renderer import markdown
from trove_classifiers import classifiers

from countermand_client.configuration import VERSION
from tests.seeds.serving import clean_environment, port_when_ready
from tests.support.waiting import HANGS_S

ROOT: Final = Path(__file__).parents[1]
UV: Final = ROOT / ".uv" / "bin" / "uv"
TWINE: Final = Path(sys.executable).parent / "twine"
PIPX: Final = Path(sys.executable).parent / "pipx"
SOURCES: Final = {"countermand": ROOT / "src", "countermand_client": ROOT / "clients" / "python" / "src"}
URLS: Final = {"Homepage", "Documentation", "Source", "Changelog", "Issues", "Security"}


def run(*command: str | Path, **environment: str) -> str:
    """What it prints; it must end with 0."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        # With the proxies of whoever runs the tests: what is not in uv's cache is fetched.
        env={**os.environ, **clean_environment(**environment)},
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True, kw_only=True)
class Wheels:
    """The wheels, by the name of their package, and the versions that the lock file has of what they need."""

    folder: Path
    locked: Path

    def __getitem__(self, package: str) -> Path:
        [found] = self.folder.glob(f"{package}-[0-9]*.whl")
        return found

    def metadata(self, package: str) -> Message:
        """What the package index reads."""
        with ZipFile(self[package]) as wheel:
            [name] = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
            return BytesParser().parsebytes(wheel.read(name))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    folder = tmp_path_factory.mktemp("wheels")
    # What builds is in this environment, so that nothing has to be fetched.
    here = ("--offline", "--no-build-isolation", "--python", sys.executable)
    run(UV, "build", "--all-packages", "--wheel", "--quiet", "--out-dir", folder, *here)
    locked = folder / "locked.txt"
    export = ("--frozen", "--quiet", "--no-dev", "--no-emit-workspace")
    run(UV, "export", *export, "--output-file", locked)
    return Wheels(folder=folder, locked=locked)


@pytest.mark.parametrize("package", SOURCES)
def test_every_file_of_the_source_is_in_the_wheel(wheels: Wheels, package: str) -> None:
    source = SOURCES[package]
    files = {str(path.relative_to(source)) for path in (source / package).rglob("*") if path.is_file()}
    with ZipFile(wheels[package]) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == {name for name in files if not name.endswith(".pyc")}


def test_the_index_takes_both(wheels: Wheels) -> None:
    said = run(TWINE, "--no-color", "check", "--strict", *(wheels[package] for package in SOURCES))
    assert said.count("PASSED") == len(SOURCES), said


@pytest.mark.parametrize("package", SOURCES)
def test_the_metadata_say_whose_it_is_and_what_it_is_for(wheels: Wheels, package: str) -> None:
    metadata = wheels.metadata(package)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert {each.partition(",")[0] for each in metadata.get_all("Project-URL", ())} == URLS
    named = metadata.get_all("Classifier", [])
    assert set(named) <= classifiers
    # A licence is an expression now; PyPI refuses both at once.
    assert not [each for each in named if each.startswith("License ::")]
    assert metadata["Requires-Python"] == ">=3.11"


def test_every_place_names_one_version(wheels: Wheels) -> None:
    version = wheels.metadata("countermand")["Version"]
    assert wheels.metadata("countermand_client")["Version"] == version == VERSION
    compose = (ROOT / "deploy" / "compose.yaml").read_text()
    assert set(re.findall("image: countermand:(.+)", compose)) == {version}
    chart = yaml.safe_load((ROOT / "deploy" / "helm" / "countermand" / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
    assert f"Version {version}." in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("package", SOURCES)
def test_the_page_at_the_index_has_whole_links_to_what_there_is(wheels: Wheels, package: str) -> None:
    metadata = wheels.metadata(package)
    [home] = [each.split(", ")[1] for each in metadata.get_all("Project-URL", ()) if each.startswith("Homepage")]
    page = metadata.get_payload(decode=True)
    assert isinstance(page, bytes)
    html = markdown.render(page.decode())
    assert html
    linked = re.findall('(?:href|src)="([^"#]+)"', html)
    own = [each.removeprefix(home) for each in linked if each.startswith(home)]
    assert own
    for each in own:
        place = re.fullmatch(f"/(?:blob|raw)/v{re.escape(metadata['Version'])}/(.+)", each)
        assert place, each
        assert (ROOT / place[1]).exists(), each
    assert all(each.startswith("https://") for each in linked), linked


def test_the_bill_of_materials_names_every_locked_package_by_version_and_hash(tmp_path: Path) -> None:
    made, locked = tmp_path / "sbom.json", tmp_path / "locked.txt"
    # As it is made here, without setting up the environment anew.
    run("make", "--silent", "--assume-old=.venv/.ready", "sbom", f"SBOM={made}")
    export = ("--frozen", "--quiet", "--no-dev", "--all-extras", "--no-emit-workspace")
    run(UV, "export", *export, "--output-file", locked)
    bill = json.loads(made.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert bill["metadata"]["component"]["name"] == "countermand"
    bought = [each for each in bill["components"] if each["name"] not in {"countermand", "countermand-client"}]
    named = {f"{each['name']}=={each['version']}" for each in bought}
    assert named == set(re.findall(r"^[\w.-]+==[\w.]+", locked.read_text(), re.MULTILINE))
    assert all(each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}" for each in bought)
    assert all(link["hashes"] for each in bought for link in each["externalReferences"])


def test_what_is_searched_for_weaknesses_is_what_is_locked() -> None:
    """The search itself asks the index, which no test does."""
    said = run("make", "--dry-run", "--assume-old=.venv/.ready", "audit").replace("\\\n", " ")
    export, search = (line for line in said.splitlines() if "uv " in line)
    assert {"--frozen", "--all-extras"} <= set(export.split())
    assert {"--strict", "--require-hashes", "--disable-pip"} <= set(search.split())
    assert export.partition("--output-file ")[2].strip() == search.partition("--requirement ")[2].split()[0]


# Ways to install it. What both wheels need comes from the lock file, out of uv's cache where make has just filled it.


def by_pip(wheels: Wheels, folder: Path) -> Sequence[str | Path]:
    """As docs/deploy.md has it: an environment, what is locked, then the wheels."""
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", python, "--require-hashes", "--requirement", wheels.locked)
    own = (wheels[package] for package in SOURCES)
    run(python, "-m", "pip", "install", "--quiet", "--no-compile", "--no-index", "--no-deps", *own)
    run(python, "-m", "pip", "check")
    return [folder / "bin" / "countermand"]


def by_uvx(wheels: Wheels, folder: Path) -> Sequence[str | Path]:
    """``uvx``, which is ``uv tool run``."""
    where = ("--find-links", wheels.folder, "--constraints", wheels.locked)
    start = (UV, "tool", "run", "--quiet", "--isolated", "--python", sys.executable, *where)
    return [*start, "--from", wheels["countermand"], "countermand"]


def by_pipx(wheels: Wheels, folder: Path) -> Sequence[str | Path]:
    """``pipx install``, which has uv install."""
    places = {f"PIPX_{name}": str(folder / name) for name in ("HOME", "BIN_DIR", "MAN_DIR")}
    path = os.pathsep.join((str(UV.parent), str(folder / "BIN_DIR"), os.environ["PATH"]))
    given = f"--find-links {wheels.folder} --constraints {wheels.locked}"
    how = ("--backend", "uv", "--python", sys.executable, "--pip-args", given)
    run(PIPX, "install", *how, wheels["countermand"], PATH=path, **places)
    return [folder / "BIN_DIR" / "countermand"]


@pytest.fixture(scope="module")
def program(wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Sequence[str | Path]:
    """What pip has installed."""
    return by_pip(wheels, tmp_path_factory.mktemp("pip"))


@pytest.fixture
def address(program: Sequence[str | Path], tmp_path: Path) -> Iterator[str]:
    """Where it serves a database that it has made."""
    database, log = f"sqlite:///{tmp_path}/installed.sqlite3", tmp_path / "server.log"
    run(*program, "migrate", "--database", database)
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*program, "serve", "--port", "0", "--database", database], stderr=stderr, env=clean_environment()
        )
    try:
        yield f"http://127.0.0.1:{port_when_ready(process, log)}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANGS_S) == 0


def test_by_pip_it_migrates_and_serves(wheels: Wheels, program: Sequence[str | Path], address: str) -> None:
    assert run(*program, "--version").strip() == wheels.metadata("countermand")["Version"]
    assert "countermand serve" in run(*program, "serve", "--help")
    with httpx2.Client(base_url=address, trust_env=False, timeout=HANGS_S) as http:
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 200
        assert http.get("/console/static/console.css").status_code == 200
        assert "Log in" in http.get("/console/", follow_redirects=True).text
        assert http.get("/openapi.json").json()["info"]["title"]


@pytest.mark.parametrize("way", [by_uvx, by_pipx])
def test_by_uvx_and_pipx_it_works_on_a_database(
    wheels: Wheels, way: Callable[[Wheels, Path], Sequence[str | Path]], tmp_path: Path
) -> None:
    program = way(wheels, tmp_path)
    database = f"sqlite:///{tmp_path}/installed.sqlite3"
    assert run(*program, "--version").strip() == wheels.metadata("countermand")["Version"]
    run(*program, "party", "add", "retailer", "Fine Shoes", "--database", database)
    assert "Fine Shoes" in run(*program, "party", "list", "--database", database)
