"""`python -m telltale` is `telltale`."""

from telltale.cli import main

main()
