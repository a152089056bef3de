"""`python -m nas`: the console script `nas`."""

from nas.commands import main

main()
