"""Who makes a change that is no command on a line, as the audit trail names it. A handler takes ``By``."""

from typing import Annotated

from fastapi import Depends, Request

from countermand.admin.audit import Author
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import REQUEST_ID
from countermand.wire.native.meaning import DOOR


def _author(request: Request, services: Inside, who: Who) -> Author:
    named = request.scope.get(REQUEST_ID, "")
    return Author(name=who.name, door=DOOR, at=services.clock(), ids=services.ids, request_id=named)


By = Annotated[Author, Depends(_author)]
