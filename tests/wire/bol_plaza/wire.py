"""Bytes to a socket and bytes back, for what no HTTP client would send."""

import socket
from urllib.parse import urlsplit

from tests.support.waiting import HANGS_S


def answer_to(url: str, sent: bytes) -> tuple[int, bytes]:
    """The status and body of the answer; the server must close the connection after it."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 80), timeout=HANGS_S) as connection:
        connection.sendall(sent)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), body
