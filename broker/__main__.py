"""`python -m broker` is the command `setu`."""

from broker.cli import main

main()
