"""The command line, ``python -m sklearn_align``."""

import sys

from sklearn_align._cli import main

if __name__ == "__main__":
    sys.exit(main())
