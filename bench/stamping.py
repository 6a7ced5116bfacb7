"""The command line, with a record of when each batch was committed: for measuring what happens between then and now.

    python -m bench.stamping FILE serve --database ...

Each line of the file is one batch: the time its decisions carry, and when its commit had returned.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from countermand.cli import main
from countermand.service.calls import Done
from countermand.service.lanes import Lanes


def stamp(path: Path) -> None:
    """Keep a record of every commit of this process from now on."""
    file = path.open("a", buffering=1)
    written = Lanes._written

    async def stamped(lanes: Lanes, calls: Sequence[Any], state: Any) -> Any:
        result = await written(lanes, calls, state)
        now = time.time()
        for at in {outcome.at for outcome in result.outcomes if isinstance(outcome, Done) and outcome.at}:
            file.write(f"{at.timestamp():.6f} {now:.6f}\n")
        return result

    Lanes._written = stamped  # type: ignore[method-assign, assignment]


def commits(path: Path) -> dict[str, float]:
    """When what was decided at a time, as it stands in the file, had been committed."""
    return dict(_of_line(line) for line in path.read_text().splitlines())


def _of_line(line: str) -> tuple[str, float]:
    decided, committed = line.split()
    return decided, float(committed)


if __name__ == "__main__":
    stamp(Path(sys.argv.pop(1)))
    main()
