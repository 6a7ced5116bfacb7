"""Commands by which a party leaves the network, or comes back."""

from countermand.cli import nouns
from countermand.cli.output import report
from countermand.cli.running import DatabaseFlag, JsonFlag


def party_deactivate(name: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Deactivate a party. An operator answers what waits for it, and deadlines go on.

    Its credentials are refused from then on. Orders that it holds stay as they are.

    Parameters
    ----------
    name
        Name or id of the party.
    """
    party = nouns.parties(database).deactivate(name)
    report(f"{name} takes no part any more. What waited for it goes to an operator.", json=json, id=party)


def party_activate(name: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Activate a party again. What an operator has to answer stays with the operator.

    Parameters
    ----------
    name
        Name or id of the party.
    """
    report(f"{name} takes part again.", json=json, id=nouns.parties(database).activate(name))
