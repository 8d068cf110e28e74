"""Pages of a training as files for MLflow: each picture an SVG, each table Markdown."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

FOLDER = "plots"
"""Folder of the files among the artifacts of MLflow's run."""

_PICTURE = re.compile(r"!\[[^\n]*?\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)")


def plot_files(pages: Mapping[str, str]) -> Mapping[str, bytes]:
    r"""Return the files of some Markdown pages by their path.

    Examples
    --------
    >>> page = "| a |\n\n![a](data:image/svg+xml;base64,PHN2Zy8+)"
    >>> plot_files({"candidates": page})
    {'plots/candidates.svg': b'<svg/>', 'plots/candidates.md': b'| a |\n'}
    """
    files: dict[str, bytes] = {}
    for key, page in pages.items():
        for place, picture in enumerate(_PICTURE.finditer(page)):
            number = f"_{place + 1}" if place else ""
            files[f"{FOLDER}/{key}{number}.svg"] = base64.b64decode(picture[1])
        text = _PICTURE.sub("", page).strip()
        if text:
            files[f"{FOLDER}/{key}.md"] = f"{text}\n".encode()
    return files
