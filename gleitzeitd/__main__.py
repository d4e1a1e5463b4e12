"""`python -m gleitzeitd`."""

import sys

from gleitzeitd.main import main

sys.exit(main())
