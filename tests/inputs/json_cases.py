"""JSON: damaged, nested, mistyped, of another shape than declared."""

import gzip
from collections.abc import Mapping

from tests.inputs.case import Case, Kept, Refused

COLUMNS = {"id": "int", "n": "string"}


def json_case(
    name: str,
    content: bytes,
    expected: Kept | Refused,
    *,
    columns: Mapping[str, object] = COLUMNS,
    **source: object,
) -> Case:
    """Describe one JSON file."""
    return Case(
        "JSON: " + name,
        {"a.json": content},
        columns,
        expected,
        path="a.json",
        source={"type": "json", **source},
    )


CASES = (
    json_case(
        "no bytes", b"", Refused("ReadError", "holds no line", r"'given': a\.json", "Write one object a line")
    ),
    json_case(
        "an empty array",
        b"[]",
        Refused("ReadError", "holds no line", r"'given': a\.json", "Write one object a line"),
    ),
    json_case(
        "one object over several lines",
        b'{\n "id": 1,\n "n": "a"\n}\n',
        Refused(
            "ReadError",
            "4 of 4 rows",
            r"a\.json, line 1: not a JSON object",
            "one object a line, or one array",
        ),
        max_rejected_share=0,
    ),
    json_case(
        "rows inside another object",
        b'{"data": [{"id": 1, "n": "a"}]}',
        Refused(
            "ReadError",
            "no column 'id', 'n'",
            r"a\.json has no column .* It has: 'data'",
            "are the rows inside another object",
        ),
    ),
    json_case(
        "a key that no object has",
        b'{"idd": 1, "n": "a"}\n',
        Refused("ReadError", "no column 'id'", r"'given': a\.json", r"Did you mean 'idd'\?"),
    ),
    json_case(
        "a key that some objects lack",
        b'{"id": 1}\n{"n": "a"}\n',
        Kept(2, values={"id": [1, None], "n": [None, "a"]}),
    ),
    json_case(
        "an array that is cut",
        b'[{"id":1,"n":"a"},{"id":2',
        Refused("ReadError", "unexpected end", r"a\.json", "write one object a line"),
    ),
    json_case(
        "an array with text after it",
        b'[{"id":1,"n":"a"}] x',
        Refused("ReadError", "unexpected character", r"a\.json", "Repair it"),
    ),
    json_case(
        "an array of more than objects",
        b'[{"id":1,"n":"a"}, 3, null, [1], {"id":2}]',
        Kept(2, rejects=3, reasons=["not a JSON object"] * 3),
    ),
    json_case("an array in UTF-8 with a mark", b'\xef\xbb\xbf[{"id":1,"n":"a"}]', Kept(1)),
    json_case("a file that ends within an object", b'{"id":1,"n":"a"}\n{"id":2,"n":', Kept(1, rejects=1)),
    json_case("single quotes and comments", b'{\'id\':1}\n// hi\n{"id":1,"n":"a"}\n', Kept(1, rejects=2)),
    json_case("two objects on one line", b'{"id":1}{"id":2}\n{"id":3,"n":"a"}\n', Kept(1, rejects=1)),
    json_case("a key that stands twice", b'{"id":1,"id":2,"n":"a"}\n', Kept(1, values={"id": [1]})),
    json_case(
        "numbers beyond their type",
        b'{"id":9223372036854775808,"n":"a"}\n{"id":1e400}\n{"id":NaN}\n{"id":true}\n{"id":1.5}\n{"id":2.0}\n',
        Kept(1, rejects=5, values={"id": [2]}),
    ),
    json_case(
        "objects and arrays for values",
        b'{"id":1,"n":{"x":[1,2]}}\n{"id":[1],"n":"a"}\n',
        Kept(1, rejects=1, values={"n": ['{"x":[1,2]}']}),
    ),
    json_case(
        "100,000 arrays in each other", b'{"id":1,"n":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", Kept(1)
    ),
    json_case(
        "an array that never ends",
        b"[" * 100_000,
        Refused("ReadError", "unexpected end", r"a\.json", "Repair it"),
    ),
    json_case(
        "half a surrogate pair, and NUL",
        b'{"id":1,"n":"\\ud800"}\n{"id":2,"n":"\\u0000"}\n',
        Kept(1, rejects=1, values={"n": ["\x00"]}),
    ),
    json_case(
        "bytes that are no UTF-8",
        b'{"id":1,"n":"\xff"}\n',
        Refused("ReadError", "not utf-8", r"'given': a\.json .*Line: 1", r"source\.encoding"),
    ),
    json_case(
        "line ends that change",
        b'{"id":1,"n":"a"}\r\n{"id":2}\n{"id":3}\r\n',
        Refused("ReadError", "mixes line ends", r"'given': a\.json", "one kind of line end"),
    ),
    json_case(
        "a control character",
        b'{"id":1,"n":"a\x01b"}\n',
        Refused("ReadError", "control characters", r"'given': a\.json", "Save it"),
    ),
    json_case(
        "a line of 20 megabytes",
        b'{"id":1,"n":"' + b"x" * 20_000_000 + b'"}\n',
        Refused("ReadError", "Maximum line size", r"a\.json .*Line: 1 Max", "write one row a line"),
    ),
    json_case(
        "keys that paths give a meaning to",
        '{"a.b":1,"a\\"b":2,"$":3,"*":4,"[0]":5,"é😀":6,"a\\\\b":7,"a/b":8,"a~b":9}\n'.encode(),
        Kept(1, values={"a.b": [1], 'a"b': [2], "*": [4], "[0]": [5], "a\\b": [7], "a/b": [8], "a~b": [9]}),
        columns=dict.fromkeys(["a.b", 'a"b', "$", "*", "[0]", "é😀", "a\\b", "a/b", "a~b"], "int"),
    ),
    json_case(
        "CSV in its place",
        b"id,n\n1,a\n",
        Refused("ReadError", "2 of 2 rows", r"a\.json, line 1", "Write one object a line"),
        max_rejected_share=0,
    ),
    Case(
        "JSON: a gzip file that is cut",
        {"a.json.gz": gzip.compress(b'{"id":1,"n":"a"}\n' * 1_000)[:-9]},
        COLUMNS,
        Refused("ReadError", "end of GZIP", r"a\.json\.gz", "get it again"),
        path="a.json.gz",
        source={"type": "json"},
    ),
)
