"""Declared preprocessing: from the settings of a declaration to fitted steps in front of an estimator, and both in words."""
