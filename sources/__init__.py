"""Sources: files, folders, objects and Python functions read as typed rows, and rejects with their reason.

Every record is a row or a reject. Casts keep a value exactly or refuse it; what the engine's reader
returns is held against an independent count of the files' records.
"""
