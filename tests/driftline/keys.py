"""The keys that a command documents, against those that it prints."""

from collections.abc import Iterator, Mapping


def undocumented(value: Mapping[str, object], keys: Mapping[str, str]) -> set[str]:
    """Return the paths that are printed and not documented, or documented at the top and not printed.

    What is below a path whose keys are not listed is free: names of the user's, or a description in words.
    """
    top = {path for path in keys if not set(path) & {".", "["}}
    return {path for path in _paths(value, keys) if path not in keys} | (top - value.keys())


def _paths(value: Mapping[str, object], keys: Mapping[str, str], at: str = "") -> Iterator[str]:
    for key, part in value.items():
        path = f"{at}{key}"
        yield path
        rows = part if isinstance(part, list) else []
        is_listed = any(one.startswith(f"{path}[].") for one in keys)
        for row in rows:
            if isinstance(row, dict) and is_listed:
                yield from _paths(row, keys, f"{path}[].")
