"""Make one call of bol's Retailer API, for people with curl habits."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import httpx2
from cyclopts import Parameter

from countermand.cli.inputs import http_method, key_in_environment
from countermand.cli.output import Exit, fail, say
from countermand.cli.running import read_settings
from countermand.wire.bol_retailer.vocabulary import MEDIA_TYPE


def bol(
    method: str,
    path: str,
    *,
    data: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, help="A file with the JSON to send; - reads standard input")
    ] = None,
    url: Annotated[str | None, Parameter(help="Where the service is; default from the settings")] = None,
) -> None:
    """Get an access token, make a call of bol's Retailer API with it, and print the answer.

    The client comes from COUNTERMAND_BOL_CLIENT_ID and COUNTERMAND_BOL_CLIENT_SECRET.

    Parameters
    ----------
    method
        GET, PUT, POST or DELETE.
    path
        From /retailer or /shared on, with a query if need be.
    """
    if not path.startswith("/"):
        fail(Exit.USAGE, "bad_path", f"{path!r} is no path; it begins with /retailer or /shared.")
    verb, body, base = http_method(method), _body(data), (url or read_settings().base_url)
    client = (_variable("COUNTERMAND_BOL_CLIENT_ID"), _variable("COUNTERMAND_BOL_CLIENT_SECRET"))
    try:
        with httpx2.Client(base_url=base, timeout=30, trust_env=False) as http:
            token = http.post("/token", data={"grant_type": "client_credentials"}, auth=client)
            headers = {"Authorization": f"Bearer {_access_token(token)}", "Accept": MEDIA_TYPE}
            typed = {"Content-Type": MEDIA_TYPE} if body else {}
            answer = http.request(verb, path, headers=headers | typed, content=body)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        fail(Exit.TRY_LATER, "unreachable", f"{base} cannot be reached: {error}")
    _print(answer)
    if answer.is_error:
        fail(Exit.FAILED, "refused", f"The call was answered {answer.status_code}.")


def _access_token(answer: httpx2.Response) -> str:
    document = _json(answer)
    token = document.get("access_token") if isinstance(document, dict) else None
    if answer.is_error or not (isinstance(token, str) and token.isascii()):
        _print(answer)
        fail(Exit.REFUSED, "no_token", f"There is no access token: {_description(answer)}")
    return token


def _print(answer: httpx2.Response) -> None:
    say(f"{answer.status_code} {answer.reason_phrase}")
    document = _json(answer)
    print(answer.text if document is None else json.dumps(document, indent=2, ensure_ascii=False))


def _description(answer: httpx2.Response) -> str:
    document = _json(answer)
    return (
        str(document.get("error_description", "the answer has none."))
        if isinstance(document, dict)
        else answer.text[:200]
    )


def _json(answer: httpx2.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _body(data: str | None) -> bytes:
    if data is None:
        return b""
    try:
        return sys.stdin.buffer.read() if data == "-" else Path(data).read_bytes()
    except OSError as error:
        fail(Exit.USAGE, "unreadable", f"{data} cannot be read: {error.strerror}.")


def _variable(name: str) -> str:
    return key_in_environment(name, "no_client", "Make a client with `countermand client-credentials create`.")
