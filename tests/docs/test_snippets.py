"""Every fenced block of the pages works as a reader pastes it, or is of a kind that is named with its reason."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import psycopg
import pytest
import yaml
from jsonschema import Draft202012Validator
from psycopg import errors

from countermand.health import DATABASE_AWAY, Check
from countermand.outlets.signature import new_secret, sign
from countermand.settings import PLAZA_LIMITS, Settings
from countermand.store.restored import oldest_restore
from tests.docs.reading import text_of
from tests.docs.shell import Shell, shell
from tests.docs.snippets import NOT_RUN, SESSIONS, SHAPES, WORLD, Snippet, as_pasted, snippets, snippets_of, the_snippet
from tests.support import templates
from tests.support.pgnode import Node, free_port
from tests.support.waiting import HANGS_S
from tests.support.world import Clock, populate, running

README = "README.md"
TUTORIAL = "docs/tutorial.md"
VERIFYING = "docs/how-to/verify-webhooks.md"
NAMES = (
    *(
        "PARTY",
        "TOKEN",
        "RETAILER",
        "SUPPLIER",
        "CREDENTIAL",
        "ENDPOINT",
        "LINE",
        "ITEM",
        "QUOTED_ORDER",
        "QUOTED_LINE",
    ),
    *("ORDER", "CANCELLATION", "REFUND", "NOTICE"),
)
SETTINGS = {
    "COUNTERMAND_DATABASE": "sqlite:///first.sqlite3",
    "COUNTERMAND_PASSWORD": "correct horse battery staple",
    "COUNTERMAND_SMTP_HOST": "127.0.0.1",
    "COUNTERMAND_MAIL_FROM": "mail@cancel.example.com",
    "COUNTERMAND_WORKER": "false",
    "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "true",
}
"""Nothing is sent from here, and the tests' PostgreSQL is not durable."""

SERVED = """
command countermand serve &
curl --retry 600 --retry-delay 1 --retry-connrefused "http://$ADDRESS/healthz"
"""


@dataclass(frozen=True, kw_only=True)
class World:
    """A folder with a database in which everything is that the pages name, and what it is called."""

    folder: Path
    names: Mapping[str, str]

    def copy(self, folder: Path) -> Path:
        """The same for one page."""
        return Path(shutil.copytree(self.folder, folder / "page"))


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with shell(tmp_path_factory.mktemp("shell")) as opened:
        yield opened


@pytest.fixture(scope="module")
def prepared(bash: Shell, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("prepared")
    templates.filled_file(folder / "first.sqlite3")
    told = "".join(f'echo "NAME {name}=${name}"\n' for name in NAMES)
    said = bash.run(WORLD + told, folder, SETTINGS)
    names = dict(re.findall("^NAME ([A-Z_]+)=(.+)$", said, re.MULTILINE))
    assert tuple(names) == NAMES
    with closing(sqlite3.connect(folder / "first.sqlite3")) as database:
        # What takes days at a receiver that is gone.
        database.execute("UPDATE notices SET state = 'dead', due_at = NULL")
        database.commit()
        [number] = database.execute("SELECT number FROM lines WHERE sku = 'wax-100'").fetchone()
    return World(folder=folder, names={**names, "NUMBER": str(number)})


# Each block has its treatment


def treatment(snippet: Snippet) -> str:
    """How a block is held to what it says; empty if nobody thought of it."""
    place = snippet.page, snippet.begins
    if snippet.page.startswith("docs/reference/"):
        return "made of the code: see test_reference.py"
    if place in NOT_RUN or place in SHAPES:
        return {**NOT_RUN, **SHAPES}[place] if (place in SHAPES) == (snippet.language == "text") else ""
    if snippet.language == "sh":
        return "run" if snippet.page in {*SESSIONS, README, TUTORIAL} else ""
    if snippet.page == TUTORIAL and snippet.language in ("json", "text"):
        return "compared with what the block before it says"
    return TREATED.get((snippet.page, snippet.language), "")


TREATED = {
    **{(VERIFYING, language): "run in test_webhook_samples.py" for language in ("python", "js", "php", "ruby", "go")},
    ("docs/webhooks.md", "python"): "test_the_sample_of_a_receiver_takes_what_is_sent",
    ("docs/events.md", "json"): "test_the_example_of_an_event_fits_the_schema",
    ("docs/events.md", "sql"): "test_the_service_works_without_the_rights_that_are_taken_from_it",
    ("docs/how-to/back-up.md", "sql"): "test_a_database_that_was_restored_by_other_means_is_told_so",
    ("docs/how-to/postgresql.md", "sql"): "test_the_service_works_as_the_role_that_owns_nothing",
    ("docs/native.md", "json"): "compared with what the page's own shell is answered",
    ("docs/retailer.md", "json"): "run in tests/wire/bol_retailer/test_subscriptions.py",
    ("docs/retailer.md", "python"): "run in tests/wire/bol_retailer/test_subscriptions.py",
    ("docs/how-to/retailer.md", "json"): "sent by the page's own shell as cancel.json",
    ("docs/how-to/plaza.md", "xml"): "sent by the page's own shell as cancel.xml",
    ("docs/settings.md", "toml"): "test_the_file_of_settings_is_read",
    ("docs/how-to/nats.md", "toml"): "test_the_settings_of_nats_are_read",
    ("docs/how-to/openid-connect.md", "toml"): "test_the_settings_of_openid_connect_are_read",
    ("docs/how-to/watch.md", "toml"): "test_prometheus_reads_the_port_of_the_settings",
    ("docs/how-to/watch.md", "yaml"): "test_prometheus_reads_the_port_of_the_settings",
    ("docs/how-to/watch.md", "json"): "test_what_is_not_well_is_told_as_the_page_says",
}
"""Which test takes the only block of a page in this language."""


@pytest.mark.parametrize("snippet", snippets(), ids=lambda snippet: snippet.place)
def test_every_block_is_run_or_looked_at(snippet: Snippet) -> None:
    assert treatment(snippet), f"{snippet.place} has no treatment: see tests/docs/snippets.py"
    if (snippet.page, snippet.language) in TREATED:
        assert len(snippets_of(snippet.page, snippet.language)) == 1


def test_no_treatment_is_left_of_a_block_that_is_no_more() -> None:
    places = {(each.page, each.begins) for each in snippets()}
    assert {*NOT_RUN, *SHAPES} <= places
    assert TREATED.keys() <= {(each.page, each.language) for each in snippets()}
    assert SESSIONS.keys() <= {each.page for each in snippets() if each.language == "sh"}
    for test in TREATED.values():
        assert not test.startswith("test_") or test in globals()


# Shell


def blocks(page: str) -> list[str]:
    """What a reader pastes, block by block."""
    return [
        as_pasted(each.text)
        for each in snippets_of(page, "sh")
        if (page, each.begins) not in NOT_RUN and (each.begins.split()[0] != "sqlite3" or shutil.which("sqlite3"))
    ]


def test_the_first_steps_work_in_one_shell(bash: Shell, tmp_path: Path) -> None:
    programs, port = tmp_path / ".venv/bin", free_port()
    programs.mkdir(parents=True)
    programs.joinpath("countermand").symlink_to(bash.programs / "countermand")
    script = "\n".join((*blocks(README), "wait"))
    said = bash.run(script, tmp_path, {"COUNTERMAND_PORT": str(port), "ADDRESS": f"127.0.0.1:{port}"}, bare=True)
    assert re.findall("^HTTP/1.1 ([0-9]+)", said, re.MULTILINE) == ["204", "204"], said
    assert '"state":"asked"' in said
    assert "Alpine Supply accepted the cancellation of 2 units." in said
    assert (tmp_path / "first.sqlite3").exists()


def test_the_tutorial_works_from_an_empty_folder(bash: Shell, tmp_path: Path) -> None:
    """Each answer that it shows is in what the block before it says, with … for what is left out."""
    programs, port = tmp_path / "countermand/.venv/bin", free_port()
    programs.mkdir(parents=True)
    programs.joinpath("countermand").symlink_to(bash.programs / "countermand")
    script, shown = [f'export PATH="{programs}:$PATH"'], []
    for block in snippets():
        if block.page != TUTORIAL or (block.page, block.begins) in NOT_RUN:
            continue
        if block.language == "sh":
            place = block.place
            script.append(f"echo '>>> {place}'\n{as_pasted(block.text)}\necho")
        else:
            shown.append((place, block.text.strip()))
    environment = {"COUNTERMAND_PORT": str(port), "ADDRESS": f"127.0.0.1:{port}"}
    said = bash.run("\n".join(script), tmp_path, environment, bare=True)
    parts = re.split("^>>> (.+)\n", said, flags=re.MULTILINE)
    answers = dict(zip(parts[1::2], parts[2::2], strict=True))
    for place, text in shown:
        missing = [part for part in re.split("…|\n", text) if part not in answers[place]]
        assert not missing, f"{place} does not say {missing}, but {answers[place]}"


@pytest.mark.parametrize("page", SESSIONS)
def test_the_shell_of_a_page_works(page: str, bash: Shell, prepared: World, tmp_path: Path, postgres: Node) -> None:
    session, folder = SESSIONS[page], prepared.copy(tmp_path)
    needs_postgres = any("POSTGRES" in each for each in blocks(page))
    port = str(free_port()) if session.served else "0"
    environment = {
        **SETTINGS,
        **prepared.names,
        **session.environment,
        "COUNTERMAND_PORT": port,
        "ADDRESS": f"127.0.0.1:{port}",
        "SERVER": f"--server http://127.0.0.1:{port}",
        "POSTGRES": templates.new_database(postgres) if needs_postgres else "",
    }
    if page in FOLDERS:
        FOLDERS[page](folder)
    parts = (SERVED if session.served else "", session.before, *blocks(page), session.after)
    end = "kill $(jobs -p); wait" if session.served else ""
    bash.run("\n".join((*parts, end)), folder, environment)
    if page in CHECKS:
        CHECKS[page](folder, prepared)


def _new_retailer(folder: Path) -> None:
    """The examples add a retailer of that name, which there should be once."""
    with closing(sqlite3.connect(folder / "first.sqlite3")) as database:
        database.execute("UPDATE parties SET name = 'Quay Shoes' WHERE name = 'Fine Shoes'")
        database.commit()


def _document(folder: Path) -> None:
    (folder / "cancel.xml").write_text(the_snippet("docs/how-to/plaza.md", "xml"))


def _number(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "first.sqlite3")) as database:
        [number] = database.execute("SELECT number FROM lines WHERE sku = 'wax-100'").fetchone()
    (folder / "cancel.json").write_text(the_snippet("docs/how-to/retailer.md", "json").replace("1000017", str(number)))


def _quote_is_the_example(folder: Path, world: World) -> None:
    example = the_snippet("docs/native.md", "json")
    for sample, name in (("…3", "QUOTED_ORDER"), ("…2", "QUOTED_LINE")):
        example = example.replace(f"019a0000-0000-7000-8000-00000000000{sample[1:]}", world.names[name])
    assert json.loads((folder / "quote.json").read_text()) == json.loads(example)


FOLDERS: Mapping[str, Callable[[Path], None]] = {
    "docs/cli.md": _new_retailer,
    "docs/how-to/plaza.md": _document,
    "docs/how-to/retailer.md": _number,
}
CHECKS: Mapping[str, Callable[[Path, World], None]] = {"docs/native.md": _quote_is_the_example}


# Documents


def test_the_example_of_an_event_fits_the_schema() -> None:
    schema = json.loads(text_of("events.schema.json"))
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert list(validator.iter_errors(json.loads(the_snippet("docs/events.md", "json")))) == []


def test_the_file_of_settings_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = the_snippet("docs/settings.md", "toml")
    (tmp_path / "countermand.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert Settings().plaza_limits == PLAZA_LIMITS | tomllib.loads(text)["plaza_limits"]


def test_the_settings_of_nats_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "countermand.toml").write_text(the_snippet("docs/how-to/nats.md", "toml"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERMAND_NATS_PASSWORD", "secret")
    assert Settings().nats_urls[2] == "tls://n3.example.com:4222"


def test_the_settings_of_openid_connect_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "countermand.toml").write_text(the_snippet("docs/how-to/openid-connect.md", "toml"))
    monkeypatch.chdir(tmp_path)
    assert Settings().oidc_roles["cancel-desk"] == "Fine Shoes:support"


def test_prometheus_reads_the_port_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "countermand.toml").write_text(the_snippet("docs/how-to/watch.md", "toml"))
    monkeypatch.chdir(tmp_path)
    told = yaml.safe_load(the_snippet("docs/how-to/watch.md", "yaml"))
    settings = Settings()
    [target] = told["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == f"{settings.metrics_host}:{settings.metrics_port}"


def test_what_is_not_well_is_told_as_the_page_says() -> None:
    told = json.loads(the_snippet("docs/how-to/watch.md", "json"))
    assert told["checks"] == [asdict(Check(name="database", ok=False, detail=DATABASE_AWAY))]


@pytest.mark.anyio
async def test_the_service_works_without_the_rights_that_are_taken_from_it(postgres: Node, clock: Clock) -> None:
    with roles(postgres, "countermand") as (url, owner):
        owner.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO countermand")
        owner.execute(the_snippet("docs/events.md", "sql"))
        await order_as("countermand", url, clock)
        with psycopg.connect(of_role("countermand", url)) as role, pytest.raises(errors.InsufficientPrivilege):
            role.execute("DELETE FROM events")


@pytest.mark.anyio
async def test_the_service_works_as_the_role_that_owns_nothing(postgres: Node, clock: Clock) -> None:
    with roles(postgres, "countermand_owner", made="countermand_service") as (url, owner):
        owner.execute(the_snippet("docs/how-to/postgresql.md", "sql"))
        await order_as("countermand_service", url, clock)


@pytest.mark.anyio
async def test_a_database_that_was_restored_by_other_means_is_told_so(postgres: Node, clock: Clock) -> None:
    url = templates.new_database(postgres)
    with psycopg.connect(url) as owner:
        for statement in the_snippet("docs/how-to/back-up.md", "sql").split(";"):
            owner.execute(statement.encode())
    async with running(url, clock) as application:
        restore = await application.database.read(oldest_restore)
    assert restore is not None
    assert restore.taken_at < restore.restored_at


@contextmanager
def roles(server: Node, *needed: str, made: str = "") -> Iterator[tuple[str, psycopg.Connection]]:
    """A database with its owner's connection, and these roles, as long as this lasts; ``made`` is made meanwhile."""
    url = templates.new_database(server)
    with psycopg.connect(url, autocommit=True) as owner:
        for role in needed:
            owner.execute(f"CREATE ROLE {role} LOGIN")
        try:
            yield url, owner
        finally:
            for role in filter(None, (*needed, made)):
                owner.execute(f"DROP OWNED BY {role}")
                owner.execute(f"DROP ROLE {role}")


async def order_as(role: str, url: str, clock: Clock) -> None:
    async with running(of_role(role, url), clock) as application:
        world = await populate(application, clock)
        line = (await world.order(2)).lines[0].id
        assert len(await world.events(line)) == 1


def of_role(role: str, url: str) -> str:
    return re.sub("//[^@/]*@", f"//{role}@", url)


# Python


def signed(secret: str, body: bytes) -> dict[str, str]:
    return dict(sign([secret], "msg_1", datetime.now(UTC), body))


def test_the_sample_of_a_receiver_takes_what_is_sent(bash: Shell, prepared: World, tmp_path: Path) -> None:
    """It is saved as it is, with the secret and a free port filled in, and gets a test, an event twice, and others."""
    folder, port = prepared.copy(tmp_path), free_port()
    url, register = f"http://127.0.0.1:{port}", blocks("docs/webhooks.md")[0].replace("9000", str(port))
    added = bash.run(register, folder, SETTINGS)
    endpoint, secret = added.split()
    sample = the_snippet("docs/webhooks.md", "python").replace("whsec_...", secret).replace("9000", str(port))
    (folder / "receiver.py").write_text(sample)
    with (folder / "receiver.log").open("w") as log:
        receiver = subprocess.Popen([sys.executable, "-u", "receiver.py"], cwd=folder, stdout=log, stderr=log)
    try:
        with httpx2.Client(base_url=url, transport=httpx2.HTTPTransport(retries=20), trust_env=False) as http:
            event = the_snippet("docs/events.md", "json").encode()
            answers = [http.post("/", content=event, headers=signed(secret, event)) for _ in range(2)]
            assert [each.status_code for each in answers] == [204, 204]
            for headers in ({}, signed(new_secret(), event), {**signed(secret, event), "webhook-timestamp": "x"}):
                assert http.post("/", content=event, headers=headers).status_code == 400
        allow = register.splitlines()[0]
        assert "204" in bash.run(f"{allow}\ncountermand endpoint test {endpoint}", folder, SETTINGS)
    finally:
        receiver.terminate()
        receiver.wait(HANGS_S)
    said = (folder / "receiver.log").read_text()
    assert said.count("countermand.cancellation.asked.v1") == 1, said
    assert said.count("countermand.endpoint.test.v1") == 1, said
    assert "Traceback" not in said
