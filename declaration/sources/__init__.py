"""The `source:` block of a dataset: one block a source type, told apart by `type`."""
