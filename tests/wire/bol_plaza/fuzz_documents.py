"""Coverage-guided fuzzing of the three readers, for as long as you like:

    python tests/wire/bol_plaza/fuzz_documents.py -runs=1000000 [FOLDER]

It starts from the hostile corpus and takes the options of libFuzzer; new inputs are kept in FOLDER. It needs the
package atheris, which is not among the project's own (`pip install atheris`).
"""

import importlib.util
import subprocess
import sys
import tempfile
from datetime import UTC
from pathlib import Path

ROOT = Path(__file__).parents[3]


def main() -> int:
    if importlib.util.find_spec("atheris") is None:
        print("atheris is missing: pip install atheris, then run this again.", file=sys.stderr)
        return 78
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    with tempfile.TemporaryDirectory() as seeds:
        _plant(Path(seeds))
        return _in_a_child(seeds)


def _plant(folder: Path) -> None:
    from tests.wire.bol_plaza.hostile import corpus

    for case in corpus():
        if len(case.body) < 4096:
            (folder / case.name).write_bytes(case.body)


def _in_a_child(seeds: str) -> int:
    """libFuzzer ends its process without a word to Python; only a parent can clear the seeds away."""
    command = [sys.executable, __file__, _CHILD, *sys.argv[1:], seeds]
    return subprocess.run(command, check=False).returncode


_CHILD = "--child"


def _fuzz() -> None:
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

    sys.path[:0] = [str(ROOT / "src")]
    with atheris.instrument_imports(include=["countermand"]):
        from countermand.wire.bol_plaza import writing
        from countermand.wire.bol_plaza.messages import (
            Cancellation,
            read_cancellation,
            read_change_transport_request,
            read_shipment_request,
        )
        from countermand.wire.bol_plaza.xml import Unreadable
    readers = (read_cancellation, read_shipment_request, read_change_transport_request)

    def read(body: bytes) -> None:
        for reader in readers:
            document = reader(body)
            if isinstance(document, Unreadable):
                assert 0 < len(document.sentence) < 232
                writing.write_service_error(document.code.value, document.sentence)
            if isinstance(document, Cancellation):
                assert document.cancelled_at.tzinfo is UTC

    dictionary = Path(__file__).with_name("fuzz_documents.dict")
    # The caller's folder comes before the seeds: libFuzzer keeps what it finds in the first one.
    atheris.Setup([sys.argv[0], f"-dict={dictionary}", "-max_len=4096", *sys.argv[2:]], read)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == [_CHILD]:
        _fuzz()
    raise SystemExit(main())
