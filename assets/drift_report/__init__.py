"""Drift reports: what moved since the champion learned, how good it still is, and whether to train again.

A window is reduced to counts on edges that the reference fixed (`bins`, `sketch`, `window_scan`);
everything else is arithmetic on those counts. `decision` says what drifted, `performance` what was
lost, `policy` what follows, `report` shows it.
"""
