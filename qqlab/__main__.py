"""`python -m qqlab` is `qqlab`."""

from qqlab.cli import main

main()
