"""All that docs/performance.md tells of speed, in one run: rates, growth, and what heavy reads cost others.

    make bench ARGS=--performance
    make bench ARGS="--performance --quick"          # a few minutes: to see that it runs

It takes less than 25 minutes. The figures go to ``bench/results/performance.json``, and from there to the page; with
``--write`` alone the page is written again from the figures that are there.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import __main__ as rates
from bench import beside, growth, page

QUICK: Final = 'make bench ARGS="--performance --quick"'


def main(arguments: Sequence[str]) -> int:
    """Measure everything, keep the figures, and write the page. Fails where something acknowledged is not stored."""
    options = _options(arguments)
    if options.write:
        page.write()
        return 0
    if options.quick:
        options.seconds, options.rounds, options.lines = 1.0, 1, [10_000, 20_000]
    few = [word for name in ("seconds", "rounds") for word in _given(name, getattr(options, name))]
    sizes = ["--lines", *map(str, options.lines)] if options.lines else []
    where = ["--directory", str(options.directory)] if options.directory else []
    with tempfile.TemporaryDirectory(prefix="performance_") as folder:
        files = {name: Path(folder) / f"{name}.json" for name in ("rates", "growth", "beside")}
        failed = (
            rates.main([*few, "--json", str(files["rates"])])
            or growth.main([*few, *sizes, *where, "--json", str(files["growth"])])
            or beside.main([*few, *sizes[:2], "--json", str(files["beside"])])
        )
        if failed:
            return failed
        found = {name: json.loads(file.read_text()) for name, file in files.items()}
    command = QUICK if options.quick else f'make bench ARGS="{" ".join(["--performance", *arguments])}"'
    page.RESULTS.write_text(json.dumps({"command": command, **found}, indent=1) + "\n")
    page.write()
    return 0


def _given(name: str, value: float | None) -> list[str]:
    return [] if value is None else [f"--{name}", str(value)]


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench --performance", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds and small sizes")
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--lines", type=int, nargs="+", help="sizes of --growth")
    parser.add_argument("--write", action="store_true", help="measure nothing: write the page from the kept figures")
    parser.add_argument("--directory", type=Path, help="where the databases of --growth are made")
    return parser.parse_args(arguments)
