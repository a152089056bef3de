"""`python -m nas.exact`: the command `nas exact`."""

from nas.commands import run_command

run_command("exact")
