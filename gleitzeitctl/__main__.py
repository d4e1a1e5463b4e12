"""`python -m gleitzeitctl`."""

import sys

from gleitzeitctl.app import main

if __name__ == "__main__":
    sys.exit(main())
