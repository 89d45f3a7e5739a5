"""``python -m aplomb.cli``."""

from aplomb.cli import main

main()
