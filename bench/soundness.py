"""What must hold of any database, as questions that a million lines can be asked.

Each finds what breaks its rule. The tests ask more of fewer rows: `tests/store/holding.py`.
"""

from typing import Final

import psycopg

from countermand.store.engines.sqlite.library import sqlite_module

RULES: Final = {
    "the units of a line are those ordered, and none is negative": (
        "SELECT count(*) FROM lines WHERE open + asked + cancelled + shipped <> ordered"
        " OR open < 0 OR asked < 0 OR cancelled < 0 OR shipped < 0"
    ),
    "what is asked and cancelled of a line is what its cancellations say": (
        "SELECT count(*) FROM lines l LEFT JOIN (SELECT retailer_id, line_id,"
        " sum(CASE WHEN state = 'asked' THEN units ELSE 0 END) AS asked, sum(accepted_units) AS cancelled"
        " FROM cancellations GROUP BY retailer_id, line_id) c ON c.retailer_id = l.retailer_id AND c.line_id = l.id"
        " WHERE l.asked <> coalesce(c.asked, 0) OR l.cancelled <> coalesce(c.cancelled, 0)"
    ),
    "what is shipped of a line is what its parcels say": (
        "SELECT count(*) FROM lines l LEFT JOIN (SELECT retailer_id, line_id, sum(units) AS shipped"
        " FROM shipment_lines GROUP BY retailer_id, line_id) s ON s.retailer_id = l.retailer_id AND s.line_id = l.id"
        " WHERE l.shipped <> coalesce(s.shipped, 0)"
    ),
    "the events of a line are numbered without gaps": (
        "SELECT count(*) FROM lines l LEFT JOIN (SELECT retailer_id, line_id, count(*) AS events, max(seq) AS last"
        " FROM events GROUP BY retailer_id, line_id) e ON e.retailer_id = l.retailer_id AND e.line_id = l.id"
        " WHERE l.seq <> coalesce(e.events, 0) OR l.seq <> coalesce(e.last, 0)"
    ),
    "every cancellation that has ended has an event that says so": (
        "SELECT count(*) FROM cancellations c WHERE state <> 'asked' AND NOT EXISTS (SELECT 1 FROM events e"
        " WHERE e.retailer_id = c.retailer_id AND e.line_id = c.line_id AND e.cancellation_id = c.id"
        " AND e.kind = 'cancellation.' || c.state)"
    ),
    "every order and line is found by its id, at its retailer": (
        "SELECT count(*) FROM (SELECT id, retailer_id FROM orders UNION ALL SELECT id, retailer_id FROM lines) o"
        " LEFT JOIN id_directory d ON d.id = o.id WHERE d.retailer_id IS NULL OR d.retailer_id <> o.retailer_id"
    ),
    "every line is found by its number": (
        "SELECT count(*) FROM lines l LEFT JOIN line_numbers n ON n.number = l.number"
        " WHERE n.line_id IS NULL OR n.line_id <> l.id OR n.retailer_id <> l.retailer_id"
    ),
    "every notice is of an event": (
        "SELECT count(*) FROM notices n WHERE seq IS NOT NULL AND NOT EXISTS (SELECT 1 FROM events e"
        " WHERE e.retailer_id = n.retailer_id AND e.line_id = n.line_id AND e.seq = n.seq)"
    ),
    "every refund is in the journal": (
        "SELECT count(*) FROM refunds r WHERE kind = 'refund' AND NOT EXISTS (SELECT 1 FROM journal j"
        " WHERE j.retailer_id = r.retailer_id AND j.refund_id = r.id AND j.amount_minor = r.amount_minor)"
    ),
}
"""A rule, and how many rows break it."""


def broken(url: str) -> dict[str, int]:
    """The rules that do not hold, each with how many rows break it."""
    found = {rule: asked(url, question) for rule, question in RULES.items()}
    return {rule: count for rule, count in found.items() if count}


def asked(url: str, question: str) -> int:
    """The one number that answers a question to a database."""
    if url.startswith("sqlite:"):
        connection = sqlite_module().connect(url.removeprefix("sqlite:///"))
        try:
            return int(connection.execute(question).fetchone()[0])
        finally:
            connection.close()
    with psycopg.connect(url) as server:
        row = server.execute(question.encode()).fetchone()
        return int(row[0]) if row else 0
