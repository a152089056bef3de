"""`python -m nas.study`: the command `nas study`."""

from nas.commands import run_command

run_command("study")
