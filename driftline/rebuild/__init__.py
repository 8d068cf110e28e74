"""`driftline rebuild`: what was materialized is set aside, so that runs make it anew."""
