"""Sign and send one call to a Plaza API, for people with curl habits."""

import sys
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Annotated

import httpx2
from cyclopts import Parameter

from countermand.cli.inputs import http_method, key_in_environment
from countermand.cli.output import Exit, fail, say
from countermand.cli.running import read_settings
from countermand.wire.bol_plaza.signature import sign

CONTENT_TYPE = "application/xml"


def plaza(
    method: str,
    path: str,
    *,
    data: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, help="A file with the XML to send; - reads standard input")
    ] = None,
    url: Annotated[str | None, Parameter(help="Where the service is; default from the settings")] = None,
    accept: Annotated[str | None, Parameter(help="For v2.1 lists: application/vnd.orders-v2.1+xml")] = None,
) -> None:
    """Sign a call with a Plaza key, send it, and print the answer.

    The key comes from COUNTERMAND_PLAZA_PUBLIC_KEY and COUNTERMAND_PLAZA_PRIVATE_KEY.

    Parameters
    ----------
    method
        GET, PUT or POST.
    path
        From /services on, with a query if need be.
    """
    if not path.startswith("/"):
        fail(Exit.USAGE, "bad_path", f"{path!r} is no path; it begins with /services.")
    verb, body, base = http_method(method), _body(data), (url or read_settings().base_url)
    date = format_datetime(datetime.now(UTC), usegmt=True)
    private = _key("COUNTERMAND_PLAZA_PRIVATE_KEY").encode()
    public = _key("COUNTERMAND_PLAZA_PUBLIC_KEY")
    signable = path.partition("?")[0]
    mac = sign(private, method=verb, content_type=CONTENT_TYPE, date=date, path=signable)
    headers = {"Content-Type": CONTENT_TYPE, "X-BOL-Date": date, "X-BOL-Authorization": f"{public}:{mac}"}
    if accept:
        headers["Accept"] = accept
    try:
        answer = httpx2.request(verb, base + path, headers=headers, content=body, timeout=30, trust_env=False)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        fail(Exit.TRY_LATER, "unreachable", f"{base} cannot be reached: {error}")
    say(f"{answer.status_code} {answer.reason_phrase}")
    print(answer.text)
    if answer.is_error:
        fail(Exit.FAILED, "refused", f"The call was answered {answer.status_code}.")


def _body(data: str | None) -> bytes:
    if data is None:
        return b""
    try:
        return sys.stdin.buffer.read() if data == "-" else Path(data).read_bytes()
    except OSError as error:
        fail(Exit.USAGE, "unreadable", f"{data} cannot be read: {error.strerror}.")


def _key(name: str) -> str:
    return key_in_environment(name, "no_key", "Make a key pair with `countermand plaza-key create`.")
