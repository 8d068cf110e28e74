"""`driftline show`: what a declaration becomes, asset by asset: tables, checks, settings, functions, and the SQL as it runs."""
