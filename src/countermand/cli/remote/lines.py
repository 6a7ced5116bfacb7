"""Lines at a service."""

from countermand.cli.remote.calling import calling, not_tried
from countermand.cli.remote.finding import line_named


class RemoteLines:
    """Lines that the party of the token sees."""

    def reassign(self, line: str, *, to: str, note: str) -> tuple[str, str, str]:
        """Give a line to another fulfiller, as it is now."""
        not_tried()
        with calling() as client:
            seen = client.lines.get(line_named(client, line))
            found = client.lines.reassign(seen.id, fulfiller=to, note=note, if_match=seen.etag)
        return found.id, found.fulfiller.name, found.fulfiller.id
