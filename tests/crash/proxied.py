"""Several services that were started by hand, each on a port of its own, behind the nginx of the docs."""

from pathlib import Path
from random import Random

from tests.crash.driver import Service
from tests.support import nginx


class Proxied(Service):
    """As one service, whose port is nginx's."""

    def __init__(self, url: str, folder: Path, count: int) -> None:
        super().__init__(url, folder / "nginx.log")
        self.services = [Service(url, folder / f"service_{number}.log") for number in range(count)]
        file = nginx.plain(folder, self.port, [each.port for each in self.services])
        self._command = [nginx.program(), "-c", str(file)]

    def start(self, probe: bytes) -> float:
        """Start all, and nginx at the end. How long it took until that answered."""
        return sum(each.start(probe) for each in self.services) + super().start(probe)

    def kill(self) -> None:
        """SIGKILL to all."""
        super().kill()
        for each in self.services:
            each.kill()

    def one(self, dice: Random) -> Service:
        """Any of the services."""
        return dice.choice(self.services)
