"""HTTP APIs: pages of JSON that are asked for, and read exactly once."""
