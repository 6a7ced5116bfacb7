"""Threads of the service use one heap, so that what one frees is there for the others, and for the system."""

import platform
import subprocess
import sys

import pytest

from tests.support.waiting import HANGS_S

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

FREED_MB = 60
GIVING_BACK = f"""
import sys, threading, time
from pathlib import Path
from countermand.cli.running import give_back_freed_memory

def resident_mb():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024

before = resident_mb()
blocks = [bytearray(50_000) for _ in range({FREED_MB} * 20)]
last = blocks[-1]
assert resident_mb() > before + {FREED_MB} / 2
del blocks
if sys.argv[1] == "given back":
    give_back_freed_memory(every_s=0.01)
    end = time.monotonic() + float(sys.argv[2])
    while resident_mb() > before + {FREED_MB} / 2 and time.monotonic() < end:
        threading.Event().wait(0.01)
print(resident_mb() - before)
"""

glibc_only = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has one heap, or others")


@glibc_only
@pytest.mark.parametrize("how", ["given back", "kept"])
def test_what_was_freed_below_the_last_block_goes_back_to_the_system(how: str) -> None:
    command = [sys.executable, "-c", GIVING_BACK, how, str(HANGS_S)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (float(done.stdout) < FREED_MB / 2) == (how == "given back"), done.stdout


@glibc_only
@pytest.mark.parametrize("how", ["shared", "not shared"])
def test_threads_share_one_heap(how: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    heaps = int(done.stdout)
    assert (heaps == 1) == (how == "shared"), heaps
