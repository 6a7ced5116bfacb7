"""Completion of commands and flags in shells."""

import sys
from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print what a shell needs to complete commands and flags.

    Parameters
    ----------
    shell
        Which one.
    """
    # The commands name this module; it names them only when it is asked.
    from countermand.cli.commands import app

    sys.stdout.write(app.generate_completion(prog_name="countermand", shell=shell))
