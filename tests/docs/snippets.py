"""The fenced blocks of the pages, and the world in which those for a shell are run."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from tests.docs.reading import ROOT, pages

_FENCED: Final = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """A fenced block: its page, where it begins there, its language and its text."""

    page: str
    line: int
    language: str
    text: str

    @property
    def begins(self) -> str:
        """Its first line."""
        return self.text.partition("\n")[0]

    @property
    def place(self) -> str:
        """Where a reader finds it."""
        return f"{self.page}:{self.line}"


@cache
def snippets() -> tuple[Snippet, ...]:
    """Every fenced block of every page."""
    return tuple(_snippets())


def _snippets() -> Iterator[Snippet]:
    for page in pages():
        text = page.read_text(encoding="utf-8")
        found = list(_FENCED.finditer(text))
        fences = len(re.findall(r"^ *(?:```|~~~)", text, re.MULTILINE))
        assert fences == 2 * len(found), f"{page.name}: a block is fenced in a way that the tests do not read"
        for each in found:
            inner = re.sub(f"^{each[1]}", "", each[3], flags=re.MULTILINE)
            line = text.count("\n", 0, each.start()) + 1
            yield Snippet(page=str(page.relative_to(ROOT)), line=line, language=each[2], text=inner)


def snippets_of(page: str, language: str) -> list[Snippet]:
    """The blocks of a page in one language, in order."""
    return [each for each in snippets() if (each.page, each.language) == (page, language)]


def the_snippet(page: str, language: str) -> str:
    """The text of the only block of a page in this language."""
    [found] = snippets_of(page, language)
    return found.text


@dataclass(frozen=True, kw_only=True)
class Session:
    """What the shell of a page needs: a service at ``$ADDRESS``, and what a reader does ``before`` and ``after``."""

    served: bool = False
    before: str = ""
    after: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


LINKED: Final = {"COUNTERMAND_PUBLIC_URL": "https://cancel.example.com"}
"""Where a mailbox is registered: the link that is sent to it begins with this."""

SESSIONS: Final = {
    "docs/answering.md": Session(
        after="countermand endpoint list | grep mailto:orders@acme.example | grep unconfirmed", environment=LINKED
    ),
    "docs/cli.md": Session(
        served=True,
        before="""
        echo '{"retailer": "Fine Shoes", "reference": "PO-1", "lines": [{"sku": "boot-42", "units": 1}]}' > orders.json
        mkdir -p ~/.config/countermand
        echo "$TOKEN" > ~/.config/countermand/token
        export COUNTERMAND_PORT=0  # for the second service, of the page itself
    """,
        after="""
        bash -n ~/.local/share/bash-completion/completions/countermand
        test -s ~/.zfunc/_countermand -a -s ~/.config/fish/completions/countermand.fish
        countermand user list --party "Fine Shoes" | grep "ann@example.com"
    """,
    ),
    "docs/crux.md": Session(served=True, after='countermand cancellations --json | grep "$LINE"'),
    "docs/endpoints.md": Session(
        after="countermand endpoint list | grep mailto:orders@alpine.example", environment=LINKED
    ),
    "docs/native.md": Session(
        served=True,
        after="""
        curl "http://$ADDRESS/v1/quotes" -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
             -d "{\\"lines\\": [{\\"line\\": \\"$QUOTED_LINE\\", \\"units\\": 2}]}" > quote.json
    """,
    ),
    "docs/how-to/back-up.md": Session(after="test -s restored.sqlite3"),
    "docs/how-to/crux.md": Session(served=True),
    "docs/how-to/follow-events.md": Session(served=True, after='test "$NEXT" != "$(cat page.json)"'),
    "docs/how-to/many-at-once.md": Session(after="grep out_of_stock lines.csv && test -s results.csv"),
    "docs/how-to/mollie.md": Session(),
    "docs/how-to/nginx.md": Session(after="countermand endpoint list"),
    "docs/how-to/plaza.md": Session(
        served=True,
        before="""
        countermand ask --line "$NUMBER" --units 1 --by customer
    """,
        after='countermand cancellations --state accepted --json | grep "$ITEM"',
    ),
    "docs/how-to/postgresql.md": Session(),
    "docs/how-to/retailer.md": Session(
        served=True,
        before="""
        countermand ask --line "$NUMBER" --units 1 --by customer
    """,
        after='countermand cancellations --state accepted --json | grep "$ITEM"',
    ),
    "docs/how-to/refunds-by-hand.md": Session(after='countermand refunds --state confirmed | grep "$REFUND"'),
    "docs/how-to/stripe.md": Session(),
    "docs/how-to/upgrade.md": Session(),
    "docs/policies.md": Session(),
    "docs/score.md": Session(
        served=True,
        before="""
        curl -X DELETE "http://$ADDRESS/orders/items/cancel/$ITEM/" -H "Authorization: Token $RETAILER"
        CANCELLATION=$(countermand cancellations | sed -n 1p | cut -f 1)
    """,
    ),
    "docs/settings.md": Session(after="countermand endpoint add https://127.0.0.1:8443/in --party 'Alpine Supply'"),
    "docs/how-to/watch.md": Session(
        environment={
            "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "false",
            "COUNTERMAND_SMTP_HOST": "",
            "COUNTERMAND_WORKER": "true",
        }
    ),
    "docs/webhooks.md": Session(),
}
"""The pages with blocks of shell: those of one page are run in order, in one session."""

NOT_RUN: Final = {
    ("README.md", "make demo"): "installs, then stays up; tests/cli/test_serving.py plays the demo",
    ("CONTRIBUTING.md", 'make test ARGS="tests/domain"'): "is what runs these tests",
    (
        "CONTRIBUTING.md",
        "export COUNTERMAND_TEST_CITUS='postgresql://countermand@db0.example.com/countermand_test'",
    ): "needs a cluster; tests/cluster/test_harness.py tries it without",
    ("docs/tutorial.md", 'git clone "$SOURCE" countermand'): "installs: the tests run on what make has installed",
    ("docs/how-to/upgrade.md", "git pull"): "gets a new version",
    (
        "docs/console.md",
        'countermand user add ada@shop.example --party Platform --name "Ada Lindqvist"',
    ): "asks for a password; tests/cli/test_access.py adds people",
    ("docs/how-to/watch.md", "pip install 'countermand[otel]'"): "installs; tests/observability/test_tracing.py traces",
    (
        "docs/deploy.md",
        "python3 -m venv /opt/countermand",
    ): "installs: tests/test_distribution.py does the same elsewhere",
    (
        "docs/deploy.md",
        "uvx --find-links dist --constraints requirements.txt --from dist/countermand-*.whl countermand demo",
    ): "installs: tests/test_distribution.py does it both ways",
    (
        "docs/deploy.md",
        "kubectl create secret generic countermand-settings \\",
    ): "needs a cluster; tests/test_chart.py renders the chart",
    (
        "docs/how-to/processes.md",
        "countermand serve --database postgresql://countermand@db.example.com/countermand --processes 4",
    ): "stays up; tests/cli/test_supervising.py serves so",
    (
        "docs/how-to/standbys.md",
        "export COUNTERMAND_DATABASE='postgresql://countermand@db1.example.com,db2.example.com/countermand?connect_timeout=3'",
    ): "names servers that are not there; tests/crash/failover.py names two",
    (
        "docs/how-to/standbys.md",
        "export COUNTERMAND_STANDBY='postgresql://countermand@db2.example.com/countermand?connect_timeout=3'",
    ): "names a server that is not there; tests/store/test_standby.py names one",
    (
        "docs/how-to/citus.md",
        "SELECT citus_set_coordinator_host('db0.example.com', 5432);",
    ): "needs servers with Citus, which no registry has",
    ("docs/how-to/citus.md", "countermand migrate"): "needs a cluster; tests/citus/test_distributing.py distributes",
    (
        "docs/how-to/citus.md",
        "psql -c \"SELECT citus_add_node('db3.example.com', 5432)\"",
    ): "needs a cluster; tests/citus/test_distributing.py rebalances",
    ("docs/how-to/postgresql.md", "createuser --pwprompt countermand"): "asks for a password; the tests make databases",
}
"""Blocks of shell, and of SQL, that the tests do not run, each with the reason."""

SHAPES: Final = {
    (
        "docs/architecture.md",
        "bytes -> door -> command -> lane -> [ begin, load, decide, save, commit ] -> outcome -> reply table -> bytes",
    ): "a diagram",
    ("docs/architecture.md", "cli"): "the layers",
    ("docs/cli.md", "countermand COMMAND [SUBCOMMAND] [ARGUMENTS] [--flags]"): "the shape of every command",
    (
        "docs/storage.md",
        "postgresql://user:password@host:port,host:port/name?parameter=value&parameter=value",
    ): "the shape of an address",
}
"""Blocks of text that are a shape and no input to anything, by how they begin."""

WORLD: Final = """
PARTY=$(countermand party add retailer "Fine Shoes")
countermand party add supplier "Alpine Supply"
countermand party add supplier "Acme Supplies"
TOKEN=$(countermand token create --party Platform)
RETAILER=$(countermand token create --party "Fine Shoes")
SUPPLIER=$(countermand token create --party "Alpine Supply")
countermand token create --party "Alpine Supply" > old-token.txt
CREDENTIAL=$(countermand token create --party "Acme Supplies" --json | grep -o 'crd_[0-9a-f]*')
ENDPOINT=$(countermand endpoint add https://hooks.alpine.example/in --party "Alpine Supply" | sed -n 1p)
cat > orders.json <<'END'
[{"retailer": "Fine Shoes", "reference": "PO-1", "lines": [
   {"sku": "boot-42", "units": 3, "supplier": "Alpine Supply"},
   {"sku": "wax-100", "units": 2},
   {"sku": "lace-1", "units": 1, "supplier": "Alpine Supply"},
   {"sku": "sole-1", "units": 1}]},
 {"retailer": "Fine Shoes", "reference": "PO-2", "lines": [
   {"sku": "boot-42", "units": 3, "unit_price": 9.00, "tax_percent": 21, "supplier": "Alpine Supply"}],
  "payments": [{"provider": "stripe", "reference": "pi_1", "captured": 27.00}]},
 {"retailer": "Fine Shoes", "reference": "PO-3", "lines": [{"sku": "boot-42", "units": 2, "unit_price": 9.00}],
  "payments": [{"captured": 18.00}]},
 {"retailer": "Fine Shoes", "reference": "PO-4", "lines": [{"sku": "boot-42", "units": 2, "unit_price": 9.00}],
  "payments": [{"id": "card", "authorised": 18.00}]}]
END
countermand order add orders.json > added
LINE=$(sed -n 1p added | cut -f 2)
ITEM=$(sed -n 1p added | cut -f 3)
QUOTED_ORDER=$(sed -n 2p added | cut -f 1)
QUOTED_LINE=$(sed -n 2p added | cut -f 2)
ORDER=$(sed -n 4p added | cut -f 1)
CANCELLATION=$(countermand ask --line "$(sed -n 1p added | cut -f 4)" --by retailer)
countermand accept "$(countermand ask --line "$(sed -n 3p added | cut -f 2)" --by customer)" --step 1
REFUND=$(countermand refunds | cut -f 1)
NOTICE=$(countermand notices | sed -n 1p | cut -f 1)
"""
"""Who takes part, what they ordered and asked, and the names by which the pages call it."""

SAMPLES: Final = {
    "can_019a0000000070008000000000000000": "CANCELLATION",
    "crd_019a0000000070008000000000000000": "CREDENTIAL",
    "ept_019a0000000070008000000000000000": "ENDPOINT",
    "ntc_019a0000000070008000000000000000": "NOTICE",
    "rfd_019a0000000070008000000000000000": "REFUND",
    "postgresql://countermand@db.example.com/countermand": "POSTGRES",
    "127.0.0.1:8765": "ADDRESS",
    "--server https://cancel.example.com": "SERVER",
    "1000017": "NUMBER",
}
"""What a reader replaces by what the service, or the reader's own database, is called."""


def as_pasted(text: str) -> str:
    """A block of shell with the reader's own in the place of sample ids and addresses."""
    for sample, name in SAMPLES.items():
        text = text.replace(sample, f"${{{name}}}")
    return text
