"""Secrets of a declaration: named by the environment variable that holds them, never written."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from declaration.types import Block


def check_variable(text: str) -> str:
    """Refuse what is no name of an environment variable, such as the secret itself."""
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,126}", text):
        raise ValueError(
            "must name an environment variable in capitals, such as WAREHOUSE_URL; the URL itself does not stand here"
        )
    return text


class FromEnvironment(Block):
    """A secret, by the name of the environment variable that holds it."""

    env: Annotated[str, AfterValidator(check_variable)]
    """Name of the variable."""
