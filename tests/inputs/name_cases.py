"""Names of columns: what SQL, HTML, the lake or we ourselves give a meaning to."""

import csv
import io
from collections.abc import Mapping, Sequence

from tests.inputs.case import Case, Kept, Refused


def case(
    name: str,
    header: Sequence[str],
    expected: Kept | Refused | None = None,
    *,
    columns: Mapping[str, object] | None = None,
) -> Case:
    """Describe a CSV file of two rows, in which each column holds its position; by default it is read so."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerows([header, range(len(header)), range(len(header))])
    declared = columns if columns is not None else dict.fromkeys(header, "int")
    values = {column: [header.index(column)] * 2 for column in declared if column in header}
    return Case(name, {"a.csv": text.getvalue().encode()}, declared, expected or Kept(2, values=values))


CASES = (
    case(
        "quotes, spaces and separators in names", ['a"b', "it's", "a b", "a.b", "a;b", "a,b", "a\\b", "`x`"]
    ),
    case("SQL in a name", ['x"; DROP TABLE y; --', "/*", "--", "*", "%s", "{x}", "${x}"]),
    case("keywords of SQL", ["select", "order", "group", "table", "null", "true", "row", "date", "user"]),
    case("emoji and other alphabets", ["😀", "日付", "дата", "é"]),
    case("HTML in a name", ["<script>alert(1)</script>", "<b>", "&amp;"]),
    case("line ends and control characters in names", ["a\nb", "a\tb", "a\x01b", "\x1b[31m"]),
    case("numbers for names", ["1", "2.5", "-3"]),
    case(
        "names of Feast's and of later tables",
        ["event_timestamp", "label", "row_id", "label_time", "event_time"],
    ),
    case("names of made columns", ["row_number", "row_time", "load_time"]),
    case("a name of 255 characters", ["x" * 255, "y"]),
    case("2,000 columns", [f"c{number}" for number in range(2_000)]),
    case("names that end in a space", ["x ", "x"]),
    case("columns without names", ["", "", "x"], columns={"unnamed_0": "int", "x": "int"}),
    case(
        "a name like that of a column without one",
        ["", "unnamed_0"],
        Refused("ReadError", "names 'unnamed_0' twice", r"a\.csv: the header", "Rename one"),
        columns={"unnamed_0": "int"},
    ),
    case(
        "names that differ only in case",
        ["id", "ID"],
        Refused("ReadError", "does not tell apart", r"a\.csv has the columns 'id' and 'ID'", "Rename one"),
        columns={"id": "int"},
    ),
    case(
        "declared names that differ only in case",
        ["id", "ID"],
        Refused(
            "DeclarationError", "differ only in case", r"defs\.yaml:\d+", "'id' and 'ID' of datasets.given"
        ),
    ),
    case(
        "a name in other case",
        ["ID"],
        Refused("ReadError", "has no column 'id'", r"'given': a\.csv", r"Did you mean 'ID'\?"),
        columns={"id": "int"},
    ),
    case(
        "a name with spaces around it",
        ["id", " n"],
        Refused("ReadError", "has no column 'n'", r"'given': a\.csv", r"Did you mean ' n'\?"),
        columns={"n": "int"},
    ),
    case(
        "a name with an invisible character",
        ["n\u200b"],
        Refused("ReadError", "has no column 'n'", r"'given': a\.csv", r"Did you mean 'n\\u200b'\?"),
        columns={"n": "int"},
    ),
    case(
        "an accent in two spellings",
        ["\u00e9"],
        Refused("ReadError", "has no column 'e\u0301'", r"'given': a\.csv", r"Did you mean '\\xe9'\?"),
        columns={"e\u0301": "int"},
    ),
    case(
        "the lake's own column",
        ["_partition", "x"],
        Refused(
            "DeclarationError", "keeps for itself", r"defs\.yaml:\d+: column '_partition'", "Choose another"
        ),
    ),
    case(
        "the lake's own column under another name",
        ["_partition", "x"],
        Kept(2, values={"part": [0, 0]}),
        columns={"part": {"type": "int", "source": "_partition"}},
    ),
    case(
        "our own columns, declared",
        ["_driftline_fault", "x"],
        Refused("DeclarationError", "keeps for itself", r"defs\.yaml:\d+", "Choose another"),
    ),
    case(
        "our own columns, not declared",
        ["_driftline_fault", "x"],
        Refused("ReadError", "Driftline's own", r"a\.csv has the column '_driftline_fault'", "Rename it"),
        columns={"x": "int"},
    ),
)
