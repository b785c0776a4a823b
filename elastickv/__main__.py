"""`python -m elastickv`, the same as the command `elastickv`."""

import sys

from elastickv.cli import main

if __name__ == "__main__":
    sys.exit(main())
