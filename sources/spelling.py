"""Texts of numbers and times in the engine's own spelling, from the forms that a source declares.

A text in another form has no spelling (NULL), so that its row is a reject: `1.5` is never read as 15. What is
spelt is then cast by the rules that every source has.
"""

from __future__ import annotations

import re

from declaration.sources.value_forms import ValueForms
from declaration.sql import quote_literal
from declaration.time_formats import TimeFormat
from declaration.types import TIMES, ColumnType

_NUMBERS: tuple[ColumnType, ...] = ("int", "float", "decimal")

_MAX_SHOWN = 3
"""Formats that a reason names."""


def has_own_form(kind: ColumnType, forms: ValueForms) -> bool:
    """Tell whether texts of a type are written otherwise than the engine reads them."""
    return (kind in TIMES and bool(forms.formats)) or (kind in _NUMBERS and not forms.is_plain_number)


def spelt(text: str, kind: ColumnType, forms: ValueForms) -> str:
    """Return the SQL of a text in the engine's spelling; NULL where it is in none of the declared forms.

    Parameters
    ----------
    text
        SQL of the text; it stands several times in the result.
    kind, forms
        A type and forms for which `has_own_form` holds.
    """
    if kind in _NUMBERS:
        return _number(text, forms)
    whens = " ".join(_time(text, TimeFormat(written)) for written in forms.formats)
    return f"CASE {whens} {f'ELSE {text} ' if forms.has_cells else ''}END"


def form_words(kind: ColumnType, forms: ValueForms) -> str:
    """Return what a text in none of the declared forms is not."""
    if kind in _NUMBERS:
        thousands = f" and {forms.thousands!r} between thousands" if forms.thousands is not None else ""
        return f"not a number with {forms.decimal!r} before the fraction{thousands}"
    shown = ", ".join(forms.formats[:_MAX_SHOWN])
    more = f" and {len(forms.formats) - _MAX_SHOWN} more" if len(forms.formats) > _MAX_SHOWN else ""
    return f"not a time in the form {shown}{more}"


def _number(text: str, forms: ValueForms) -> str:
    decimal, digits = re.escape(forms.decimal), "[0-9]+"
    plain = text
    if forms.thousands is not None:
        # A group before the first sign has no leading zero: 0.123 is no 123.
        digits = rf"(?:[1-9][0-9]{{0,2}}(?:{re.escape(forms.thousands)}[0-9]{{3}})+|[0-9]+)"
        plain = f"replace({plain}, {quote_literal(forms.thousands)}, '')"
    if forms.decimal != ".":
        plain = f"replace({plain}, {quote_literal(forms.decimal)}, '.')"
    pattern = rf"\s*[+-]?(?:{digits}(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?\s*"
    # Words such as NaN have no digits, and so no form.
    return (
        f"CASE WHEN regexp_full_match({text}, {quote_literal(pattern)}) THEN {plain} "
        f"WHEN NOT regexp_matches({text}, '[0-9]') THEN {text} END"
    )


def _time(text: str, form: TimeFormat) -> str:
    pattern = quote_literal(rf"\s*{form.pattern}\s*")
    clock, offset = text, ""
    if form.has_zone:
        zone = r"\s*(Z|[+-][0-9]{2}(?::?[0-9]{2})?)\s*$"
        clock = f"regexp_replace({text}, '{zone}', '')"
        with_colon = rf"regexp_replace(regexp_extract({text}, '{zone}', 1), '^(...)([0-9]{{2}})$', '\1:\2')"
        offset = f" || replace({with_colon}, 'Z', '+00')"
    time = f"try_strptime(trim({clock}), {quote_literal(form.clock)})"
    written = f"CAST({time} AS VARCHAR){offset}"
    if form.weekday is not None:
        # The engine reads any name of a day.
        name = f"strftime({time}, {quote_literal(form.weekday)})"
        written = f"CASE WHEN contains(lower({text}), lower({name})) THEN {written} END"
    return f"WHEN regexp_full_match({text}, {pattern}) THEN {written}"
