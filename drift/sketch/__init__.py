"""Sketches of windows: binned counts, moments and distinct values that merge, and the one scan that fills them."""
