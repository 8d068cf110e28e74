"""`driftline status`: how every pipeline stands, read from declarations, lake and, where runs are open, Dagster."""
