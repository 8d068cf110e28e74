"""`python -m driftline`: the program without its script."""

import sys

from driftline.cli import main

sys.exit(main())
