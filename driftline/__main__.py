"""`python -m driftline`: the program without its script."""

import sys

from driftline.start import main

sys.exit(main())
