"""CSV text: encodings, marks, line ends, quotes, headers, blank and ragged lines."""

from tests.inputs.case import Case, Kept, Refused

COLUMNS = {"id": "int", "n": "string"}


def case(name: str, content: bytes, expected: Kept | Refused, **source: object) -> Case:
    """Describe one CSV file of two columns."""
    return Case(name, {"a.csv": content}, COLUMNS, expected, source=source)


ENCODINGS = (
    case("a mark before a quoted header", b'\xef\xbb\xbf"id","n"\n1,a\n', Kept(1, values={"n": ["a"]})),
    case(
        "two byte order marks",
        b"\xef\xbb\xbf\xef\xbb\xbfid,n\n1,a\n",
        Refused("ReadError", "has no column 'id'", r"'given': a\.csv", r"Did you mean '\\ufeffid'\?"),
    ),
    case(
        "UTF-16 without a mark, not declared",
        "id,n\n1,é\n".encode("utf-16-le"),
        Refused("ReadError", "holds NUL bytes", r"a\.csv: the header", "Declare `encoding: utf-16`"),
    ),
    case(
        "UTF-16 without a mark, little end first",
        "id,n\n1,é\n".encode("utf-16-le"),
        Kept(1, values={"n": ["é"]}),
        encoding="utf-16",
    ),
    case(
        "UTF-16 without a mark, big end first",
        "id,n\n1,é\n".encode("utf-16-be"),
        Kept(1, values={"n": ["é"]}),
        encoding="utf-16",
    ),
    case(
        "UTF-16 that ends within a letter",
        "id,n\n1,é\n".encode("utf-16") + b"x",
        Refused("SourceError", "not utf-16 text", r"a\.csv", "Name the file's encoding"),
    ),
    case(
        "latin-1 taken for UTF-8, one row of many",
        b"id,n\n1,Z\xfcrich\n2,Bern\n",
        Kept(1, rejects=1, values={"n": ["Bern"]}, reasons=["not utf-8"]),
    ),
    case(
        "latin-1 taken for UTF-8, every row",
        b"id,n\n" + b"1,Z\xfcrich\n" * 9,
        Refused(
            "ReadError", "9 of 9 rows", r"a\.csv, line 2", r"Name the file's encoding in source\.encoding"
        ),
        max_rejected_share=0.01,
    ),
    case(
        "text that ends within a letter",
        "id,n\n1,a\n2,Züric".encode() + b"\xc3",
        Kept(1, rejects=1, reasons=["not utf-8"]),
    ),
    case("half of a surrogate pair", b"id,n\n1,\xed\xa0\x80\n2,b\n", Kept(1, rejects=1)),
    case("a NUL byte in a value", b"id,n\n1,a\x00b\n2,c\n", Kept(2, values={"n": ["a\x00b", "c"]})),
    case(
        "nothing but NUL bytes",
        b"\x00" * 100,
        Refused("ReadError", "holds NUL bytes", r"a\.csv", "save it as UTF-8"),
    ),
    case(
        "a picture",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)),
        Refused("ReadError", "not UTF-8", r"a\.csv: the header", r"source\.encoding"),
    ),
    case(
        "a PDF document",
        b"%PDF-1.7\n%\xe2\xe3\n",
        Refused("ReadError", "a PDF document", r"a\.csv", "Export the table"),
    ),
)

LINES = (
    case("blank lines at the end", b"id,n\n1,a\n\n\n", Kept(1)),
    case("a blank line between rows", b"id,n\r\n1,a\r\n\r\n2,b\r\n", Kept(2)),
    case("no line end after the last row", b"id,n\n1,a\n2,b", Kept(2)),
    case("a header without a line end", b"id,n", Kept(0)),
    case(
        "carriage returns alone",
        b"id,n\r1,a\r2,b\r",
        Refused("ReadError", "carriage returns alone", r"a\.csv", r"Save it with \\n or \\r\\n"),
    ),
    case(
        "line ends that change to Windows'",
        b"id,n\n1,a\n2,b\r\n",
        Refused("ReadError", "mixes line ends", r"'given': a\.csv", "Save it with one kind of line end"),
    ),
    case(
        "a blank first line",
        b"\nid,n\n1,a\n",
        Refused("ReadError", "the first line is blank", r"a\.csv", "remove what is before it"),
    ),
    case(
        "nothing but spaces",
        b"   \n",
        Refused("ReadError", "the first line is blank", r"a\.csv", "begins with its header"),
    ),
    case(
        "a comment before the header",
        b"# exported on Monday\nid,n\n1,a\n",
        Refused(
            "ReadError", "no column 'id', 'n'", "It has: '# exported", "does the file begin with its header"
        ),
    ),
    case(
        "an HTML page in place of the file",
        b"<!DOCTYPE html><html><body>404</body></html>\n",
        Refused(
            "ReadError", "no column 'id', 'n'", r"'given': a\.csv", "does the file begin with its header"
        ),
    ),
    case("the header again among the rows", b"id,n\n1,a\nid,n\n2,b\n", Kept(2, rejects=1, reasons=["id: "])),
    case("a total under the rows", b"id,n\n1,a\nTotal\n", Kept(1, rejects=1, reasons=["Number of Columns"])),
    case(
        "every row too short",
        b"id,n\n1\n2\n",
        Refused("ReadError", "2 of 2 rows", r"a\.csv, line 2", "as many values as the header"),
        max_rejected_share=0.5,
    ),
    case("commas after the last value", b"id,n,\n1,a,\n2,b,\n", Kept(2, values={"n": ["a", "b"]})),
)

QUOTES = (
    case("a line end inside quotes", b'id,n\n1,"a\nb"\n2,c\n', Kept(2, values={"n": ["a\nb", "c"]})),
    case(
        "another line end inside quotes", b'id,n\n1,"a\r\nb"\n2,c\n', Kept(2, values={"n": ["a\r\nb", "c"]})
    ),
    case("inches inside a value", b'id,n\n1,5" disk\n2,b\n', Kept(2, values={"n": ['5" disk', "b"]})),
    case(
        "text after a closing quote",
        b'id,n\n1,"a"b\n2,c\n',
        Kept(1, rejects=1, reasons=["unterminated quote"]),
    ),
    case("quotes escaped with a backslash", b'id,n\n1,"a\\"b"\n2,c\n', Kept(1, rejects=1)),
    case("single quotes", b"id,n\n1,'a,b'\n2,c\n", Kept(1, rejects=1, reasons=["Number of Columns"])),
    case(
        "a quote that the last line opens",
        b'id,n\n1,a\n2,"b\n',
        Kept(1, rejects=1, reasons=["unterminated quote"]),
    ),
    case(
        "a quote that is never closed",
        b"id,n\n" + b"1,a\n" * 1_000 + b'2,"b\n' + b"3,c\n" * 5_000,
        Refused("ReadError", "a quote is opened and not closed", r"a\.csv, line 1002", "Close the quote"),
    ),
    case(
        "a quote in the header that is never closed",
        b'id,"n\n' + b"1,a\n" * 300_000,
        Refused("ReadError", "the header cannot be read|has not ended", r"a\.csv", "Close its quotes"),
    ),
    Case("inches in the header", {"a.csv": b'id,5" disk\n' + b"1,a\n" * 20_000}, {"id": "int"}, Kept(20_000)),
)

DELIMITERS = (
    case(
        "semicolons, not declared",
        b"id;n\n1;a\n",
        Refused("ReadError", "one column with the delimiter ','", r"a\.csv", 'Declare `delimiter: ";"`'),
    ),
    case(
        "tabs, not declared",
        b"id\tn\n1\ta\n",
        Refused("ReadError", "one column with the delimiter ','", r"a\.csv", r'Declare `delimiter: "\\t"`'),
    ),
    case(
        "an emoji between the columns", "id😀n\n1😀a\n".encode(), Kept(1, values={"n": ["a"]}), delimiter="😀"
    ),
    case(
        "a quote declared as delimiter",
        b'id"n\n1"a\n',
        Refused("DeclarationError", "quotes values or ends lines", r"defs\.yaml:\d+", "Name the character"),
        delimiter='"',
    ),
    case(
        "a text for NULL that holds the delimiter",
        b"id,n\n1,a\n",
        Refused(
            "DeclarationError",
            "holds no quote, delimiter or line end",
            r"defs\.yaml:\d+",
            "null_values has 'a,b'",
        ),
        null_values=["a,b"],
    ),
    case(
        "no text for NULL at all",
        b"id,n\n1,a\n",
        Refused("DeclarationError", "null_values is empty", r"defs\.yaml:\d+", "Leave it out"),
        null_values=[],
    ),
)

GIGANTIC = (
    case("a value of a megabyte", b"id,n\n1," + b"x" * 10**6 + b"\n2,b\n", Kept(2)),
    case(
        "a value of 20 megabytes",
        b"id,n\n1," + b"x" * 20_000_000 + b"\n2,b\n",
        Kept(1, rejects=1, reasons=["Maximum line size of 16777216 bytes exceeded"]),
    ),
    case(
        "a column name of 20 megabytes",
        b"id," + b"x" * 20_000_000 + b"\n1,2\n",
        Refused(
            "ReadError", "header (cannot be read|has not ended)", r"a\.csv", "a (first )?line of column names"
        ),
    ),
)

CASES = (*ENCODINGS, *LINES, *QUOTES, *DELIMITERS, *GIGANTIC)
