"""``python -m emailplus.cli``."""

from .app import main

main()
