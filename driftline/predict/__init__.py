"""`driftline predict`: rows of a file, scored by the champion."""
