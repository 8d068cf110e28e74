"""Loading: a `defs.yaml` read into a `Pipeline`, with every problem of the file found before anything runs."""
