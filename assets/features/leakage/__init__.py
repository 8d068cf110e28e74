"""Leakage tests of feature views: features as of an instant must not change when rows after it change."""
