"""`python -m viscodex`."""

from viscodex.cli import main

main()
