"""Threads of the service use one heap, so that what one frees is there for the others."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, re, sys, tempfile, threading
from countermand.cli.running import share_freed_memory

if sys.argv[1] == "shared":
    share_freed_memory()
both = threading.Barrier(4)

def work():
    blocks = [bytearray(100_000) for _ in range(10)]
    both.wait()

threads = [threading.Thread(target=work) for _ in range(4)]
for each in threads:
    each.start()
for each in threads:
    each.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as file:
    opened = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, opened)
    libc.fclose(opened)
    print(len(re.findall(b"<heap ", file.read())))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has one heap, or others")
@pytest.mark.parametrize("how", ["shared", "not shared"])
def test_threads_share_one_heap(how: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    heaps = int(done.stdout)
    assert (heaps == 1) == (how == "shared"), heaps
