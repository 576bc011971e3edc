"""`python -m pipeline`: the command `anime`."""

import sys

from pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
