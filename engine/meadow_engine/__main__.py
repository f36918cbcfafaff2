"""`python -m meadow_engine` is the command `meadow`."""

from __future__ import annotations

import sys

from meadow_engine.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
