"""Filters of lists that users of the console keep under a name. They are seen and removed by whose they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select

from countermand.admin.parties import TakenError
from countermand.domain.problems import RefusedError, UnfitError
from countermand.ids import Ids
from countermand.store import tables as t
from countermand.store.changes import change_any
from countermand.store.views import views

PREFIX: Final = "viw"
"""How the id of a saved view begins."""

VIEWS_MAX: Final = 50
"""So many a user may have, of all lists together."""

NAME_MAX: Final = 40
QUERY_MAX: Final = 1000


class TooManyViewsError(RefusedError):
    """The user has ``VIEWS_MAX``."""

    code = "limit_reached"


class BadViewError(UnfitError):
    """A view cannot be called so, or its filters are too long."""

    code = "bad_name"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """A view: of which list, its name, and the filters as they stand in the address."""

    id: UUID
    list: str
    name: str
    query: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewView:
    """What is to be kept, and for whom."""

    party: UUID
    user: UUID
    list: str
    name: str
    query: str


def of_user(connection: Connection, user: UUID, of_list: str | None = None) -> Sequence[SavedView]:
    """The views of a user, by list and name; with ``of_list`` those of one list."""
    mine = t.saved_views.c
    query = select(mine.id, mine.list, mine.name, mine.query, mine.created_at).where(mine.user_id == user)
    if of_list is not None:
        query = query.where(mine.list == of_list)
    return views(SavedView, connection.execute(query.order_by(mine.list, mine.name, mine.id).limit(VIEWS_MAX)))


def add(connection: Connection, ids: Ids, now: datetime, new: NewView) -> UUID:
    """Keep the filters of a list.

    Raises:
        BadViewError: the name is empty, too long or cannot be shown, or the filters are too long.
        TakenError: the user has a view of this list by this name.
        TooManyViewsError: the user has ``VIEWS_MAX``.
    """
    name = new.name
    if not (1 <= len(name) <= NAME_MAX and name.isprintable() and name == name.strip()):
        raise BadViewError(f"A name has 1 to {NAME_MAX} printable characters.")
    if len(new.query) > QUERY_MAX:
        raise BadViewError(f"These filters have more than {QUERY_MAX:,} characters together.")
    # So that of two at once the second counts the first.
    connection.execute(select(t.users.c.id).where(t.users.c.id == new.user).with_for_update())
    mine = t.saved_views.c
    held = select(func.count()).select_from(t.saved_views).where(mine.user_id == new.user)
    if connection.execute(held).scalar_one() >= VIEWS_MAX:
        raise TooManyViewsError(f"You have {VIEWS_MAX} saved views. Remove one first.")
    same = select(mine.id).where(mine.user_id == new.user, mine.list == new.list, mine.name == name)
    if connection.execute(same).first():
        raise TakenError(f"You have a view called {name} already.")
    made = ids.new()
    connection.execute(
        insert(t.saved_views).values(
            id=made,
            party_id=new.party,
            user_id=new.user,
            list=new.list,
            name=name,
            query=new.query,
            created_at=now,
        )
    )
    return made


def remove(connection: Connection, user: UUID, view: UUID) -> bool:
    """Keep it no longer. Whether there was such a view of this user."""
    mine = (t.saved_views.c.id == view, t.saved_views.c.user_id == user)
    return change_any(connection, delete(t.saved_views).where(*mine)) == 1
