"""Debian's nginx with the file of the docs, changed as that says, so that it runs beside another and not as root."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.docs.reading import text_of

_SERVICE = r"server 127\.0\.0\.1:8765;"
_LISTENS = r"listen 443 ssl http2;"
_APART = {
    r"worker_rlimit_nofile 65536;": "daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;",
    r"server_tokens off;": "access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};"
    " fastcgi_temp_path {folder}; scgi_temp_path {folder}; uwsgi_temp_path {folder};",
}
_TLS = {
    _LISTENS: "listen 127.0.0.1:{port} ssl http2;",
    r"/etc/ssl/[a-z]+/cancel\.shop\.example\.(?:pem|key)": "{folder}/localhost.pem",
}
_PLAIN = {
    # One process, so that nothing is left of it when it is killed.
    r"worker_processes auto;": "master_process off;",
    _LISTENS: "listen 127.0.0.1:{port};",
    r"ssl_\w+ [^;]*;": "",
    r"limit_(?:conn connections|req zone=calls burst)[^;]*;": "",
}


def program() -> str:
    """Where nginx is. The test is skipped if it is not installed, and fails where nothing may be."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not found and os.environ.get("COUNTERMAND_TEST_SKIP_NOTHING"):
        pytest.fail("nginx is not installed")
    if not found:
        pytest.skip("nginx is not installed")
    return found


def with_tls(folder: Path, port: int, service: int) -> Path:
    """The file for one service, with the certificate ``localhost.pem`` of the folder."""
    return _written(folder, port, [service], _TLS)


def plain(folder: Path, port: int, services: Sequence[int]) -> Path:
    """The file for several services, without TLS and without limits for callers, who are one here."""
    return _written(folder, port, services, _PLAIN)


def _written(folder: Path, port: int, services: Sequence[int], changes: dict[str, str]) -> Path:
    behind = {_SERVICE: " ".join(f"server 127.0.0.1:{each};" for each in services)}
    text = text_of("deploy/nginx.conf")
    for old, new in (_APART | changes | behind).items():
        text, count = re.subn(old, new.format(port=port, folder=folder), text)
        assert count, old
    file = folder / "nginx.conf"
    file.write_text(text)
    return file
