"""Raw data: sources become typed rows in the lake, and rows that cannot be read become rejects."""
