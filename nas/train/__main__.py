"""`python -m nas.train`: the command `nas train`."""

from nas.commands import run_command

run_command("train")
