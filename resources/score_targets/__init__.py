"""Places beside the lake that scores are written to: folders of Parquet, Delta tables, tables of databases."""
