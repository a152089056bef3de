"""`python -m nas.fit`: the command `nas fit`."""

from nas.commands import run_command

run_command("fit")
