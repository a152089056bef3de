"""`python -m nas.tabular`: the command `nas tabular`."""

from nas.commands import run_command

run_command("tabular")
