"""`python -m hypern` is `hypern`."""

from __future__ import annotations

import sys

from hypern.cli import main

if __name__ == "__main__":
    sys.exit(main())
