"""Check declared expectations while the declaration loads: no data, no Great Expectations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeGuard

from declaration.datasets import ColumnSpec, ExpectationSpec
from declaration.types import ColumnType
from expectations.catalogue import REFUSED, RULES, Argument, Form, Rule
from expectations.conditions import row_condition
from expectations.literals import TEMPORAL, Kind, instant_for, literal
from expectations.regex import is_regex

_ON_ROWS = {"row_condition", "condition_parser"}


def check_expectation(spec: ExpectationSpec, columns: Mapping[str, ColumnSpec | ColumnType]) -> list[str]:
    """List what is wrong with a declared expectation; empty where nothing is.

    Parameters
    ----------
    spec
        The expectation as declared.
    columns
        The dataset's columns as declared.

    Returns
    -------
    list[str]
        Faults as sentences with the repair; the caller adds file and line.

    Examples
    --------
    >>> check_expectation(ExpectationSpec(expect="column_max_to_be_betwen", column="age"), {"age": "int"})
    ["unknown expectation 'column_max_to_be_betwen'. Did you mean 'column_max_to_be_between'?"]
    """
    rule = RULES.get(spec.expect)
    if rule is None:
        return [_unknown_rule(spec.expect)]
    kinds: dict[str, Kind] = {name: c.type if isinstance(c, ColumnSpec) else c for name, c in columns.items()}
    faults = [
        *_name_faults(spec, rule),
        *(
            f"{spec.expect}: {fault}"
            for name, argument in rule.arguments.items()
            if spec.arguments.get(name) is not None
            for fault in _argument_faults(name, argument, spec, kinds)
        ),
    ]
    # What follows reads the arguments together, and would only repeat the faults above.
    return faults or [*_together_faults(spec, rule, kinds), *_routing_faults(spec, rule, kinds)]


def _unknown_rule(name: str) -> str:
    bare = name.removeprefix("expect_")
    if bare in RULES:
        return f"expectation '{name}' is named without 'expect_': '{bare}'."
    if bare in REFUSED:
        return f"expectation '{name}' cannot be used here: {REFUSED[bare]}."
    near = get_close_matches(bare, RULES, n=1)
    if near:
        return f"unknown expectation '{name}'. Did you mean '{near[0]}'?"
    return f"unknown expectation '{name}'. Known expectations: {', '.join(sorted(RULES))}."


def _name_faults(spec: ExpectationSpec, rule: Rule) -> Iterable[str]:
    """Name arguments that the rule does not have, and those that it needs."""
    for name in spec.arguments:
        if name in _ON_ROWS:
            yield f"{spec.expect}: '{name}' is not supported; declare a computed column that is NULL elsewhere."
        elif name not in rule.arguments:
            near = get_close_matches(name, rule.arguments, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            yield f"{spec.expect} has no argument '{name}'. It takes: {', '.join(rule.arguments)}.{hint}"
    for name, argument in rule.arguments.items():
        if argument.is_required and spec.arguments.get(name) is None:
            yield f"{spec.expect} needs the argument '{name}'."


def _argument_faults(
    name: str, argument: Argument, spec: ExpectationSpec, kinds: Mapping[str, Kind]
) -> Iterable[str]:
    value = spec.arguments[name]
    if argument.choices and value not in argument.choices:
        if value != argument.default:
            near = get_close_matches(str(value), argument.choices, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            yield f"{name} is {value!r}, and may be: {', '.join(argument.choices)}.{hint}"
        return
    if argument.form in ("column", "columns"):
        yield from _column_faults(name, value, RULES[spec.expect], kinds)
    elif argument.form in ("bound", "values"):
        yield from _typed_faults(name, argument.form, value, kinds.get(str(spec.arguments.get("column"))))
    elif not _FORMS[argument.form][0](value):
        yield f"{name} is {value!r}, and must be {_FORMS[argument.form][1]}."


def _column_faults(name: str, value: object, rule: Rule, kinds: Mapping[str, Kind]) -> Iterable[str]:
    is_list = isinstance(value, list | tuple)
    named = [c for c in (value if isinstance(value, list | tuple) else [value]) if isinstance(c, str)]
    if is_list != (name == "column_list") or len(named) < (
        len(value) if isinstance(value, list | tuple) else 1
    ):
        yield f"{name} is {value!r}, and must be {'a list of columns' if name == 'column_list' else 'a column'}."
        return
    if name == "column_list" and (len(named) < 2 or len(set(named)) < len(named)):
        yield f"{name} is {value!r}, and must name at least two different columns."
    for column in named:
        if column not in kinds:
            near = get_close_matches(column, kinds, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" Declared columns: {', '.join(kinds)}."
            yield f"column '{column}' is not declared.{hint}"
        elif rule.column_kinds is not None and kinds[column] not in rule.column_kinds:
            allowed = ", ".join(sorted(rule.column_kinds))
            yield f"column '{column}' is of type {kinds[column]}, and the rule judges columns of type: {allowed}."


def _typed_faults(name: str, form: Form, value: object, kind: Kind | None) -> Iterable[str]:
    """Tell which values cannot be compared with the column."""
    if form == "values" and (not isinstance(value, list | tuple) or not value):
        yield f"{name} is {value!r}, and must be a list of values."
        return
    if form == "bound" and isinstance(value, list | tuple | Mapping):
        yield f"{name} is {value!r}, and must be one value."
        return
    listed = value if isinstance(value, list | tuple) else [value]
    for item in listed if kind is not None else []:
        if literal(item, kind or "other") is None or isinstance(item, bool) is not (kind == "boolean"):
            yield f"{name} holds {item!r}, which cannot be compared with a column of type {kind}."


def _together_faults(spec: ExpectationSpec, rule: Rule, kinds: Mapping[str, Kind]) -> Iterable[str]:
    """Find faults between arguments that are right by themselves."""
    if "min_value" not in rule.arguments or "partition_object" in rule.arguments:
        return
    low, high = spec.arguments.get("min_value"), spec.arguments.get("max_value")
    if low is None and high is None:
        yield f"{spec.expect} needs min_value, max_value, or both."
    elif low is not None and high is not None:
        kind = kinds.get(str(spec.arguments.get("column")), "other")
        if rule.arguments["min_value"].form == "bound" and kind in TEMPORAL:
            first, last = instant_for(low, kind), instant_for(high, kind)
            is_reversed = first is not None and last is not None and first > last
        else:
            is_reversed = low > high
        if is_reversed:
            yield f"{spec.expect}: min_value {low} is greater than max_value {high}."


def _routing_faults(spec: ExpectationSpec, rule: Rule, kinds: Mapping[str, Kind]) -> Iterable[str]:
    if spec.on_failure != "quarantine":
        return
    if not rule.is_row_rule:
        yield (
            f"{spec.expect} judges the column or table as a whole, so 'on_failure: quarantine' has no rows to move. "
            "Use 'report' or 'block', or a rule on rows."
        )
    elif rule.condition is None or row_condition(rule.condition, with_defaults(spec, rule), kinds) is None:
        yield (
            f"{spec.expect} with these arguments is evaluated by Great Expectations on pandas and cannot route "
            "rows, so 'on_failure: quarantine' is refused. Use 'report' or 'block', or a simpler rule "
            "(regular expressions: without lookaround, back references and word boundaries)."
        )


def with_defaults(spec: ExpectationSpec, rule: Rule) -> dict[str, object]:
    """Return the arguments of an expectation with the defaults of those that are not given."""
    defaults = {name: a.default for name, a in rule.arguments.items() if a.default is not None}
    arguments = {name: value for name, value in spec.arguments.items() if value is not None}
    return {**defaults, **arguments}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_list(value: object, is_item: Callable[[Any], bool]) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple) and bool(value) and all(is_item(item) for item in value)


def _is_regex(value: object) -> bool:
    return isinstance(value, str) and is_regex(value)


def _is_share(value: object) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_pair(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2


def _are_quantiles(value: object) -> bool:
    """Tell whether a value has the form {quantiles: [0.5], value_ranges: [[1, 2]]}."""
    if not isinstance(value, Mapping) or set(value) != {"quantiles", "value_ranges"}:
        return False
    quantiles, ranges = value["quantiles"], value["value_ranges"]
    return (
        _is_list(quantiles, _is_share)
        and _is_list(ranges, lambda r: _is_pair(r) and all(bound is None or _is_number(bound) for bound in r))
        and len(quantiles) == len(ranges)
        and all(low is None or high is None or low <= high for low, high in ranges)
    )


_FORMS: Mapping[Form, tuple[Callable[[object], bool], str]] = {
    "number": (_is_number, "a number"),
    "whole": (
        lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 0,
        "a whole number of at least 0",
    ),
    "flag": (lambda v: isinstance(v, bool), "true or false"),
    "share": (_is_share, "a number from 0 to 1"),
    "text": (_is_text, "a text"),
    "texts": (lambda v: _is_list(v, _is_text), "a list of texts"),
    "regex": (_is_regex, "a regular expression of Python"),
    "regexes": (lambda v: _is_list(v, _is_regex), "a list of regular expressions of Python"),
    "value": (lambda v: v is not None, "a value"),
    "pairs": (lambda v: _is_list(v, _is_pair), "a list of pairs"),
    "quantiles": (
        _are_quantiles,
        "{quantiles: [shares], value_ranges: [[low, high]]}, as many ranges as quantiles, low at most high",
    ),
    "object": (lambda v: isinstance(v, Mapping), "a mapping"),
}
"""Test and wording of each form that does not depend on the column."""
