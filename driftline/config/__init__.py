"""`driftline config`: the settings of the installation."""
