"""Words with a meaning of their own. Where one of them is an attribute's or a table's name it stands in double quotes.

The list is that of PartiQL's reference parser, which DynamoDB uses: SQL-92's keywords and some more.
"""

from __future__ import annotations

from typing import Final

_KEYWORDS: Final = """
    absolute action add all allocate alter and any are as asc assertion at authorization avg bag begin between
    bigint bit bit_length blob bool boolean by can_cast can_lossless_cast cascade cascaded case cast catalog
    char char_length character character_length check clob close coalesce collate collation column commit
    conflict connect connection constraint constraints continue convert corresponding count create cross current
    current_date current_time current_timestamp current_user cursor date date_add date_diff deallocate dec
    decimal declare default deferrable deferred delete desc describe descriptor diagnostics disconnect distinct
    do domain double drop else end escape except exception exec execute exists external extract false fetch
    first float for foreign found from full get global go goto grant group having identity immediate in index
    indicator initially inner input insensitive insert int int2 int4 int8 integer integer2 integer4 integer8
    intersect interval into is isolation join key language last left let level like limit list local lower match
    max min missing modified module names national natural nchar new next no not nothing null nullif numeric
    octet_length of offset old on only open option or order outer output overlaps pad partial pivot position
    precision prepare preserve primary prior privileges procedure public read real references relative remove
    restrict returning revoke right rollback rows schema scroll section select session session_user set sexp
    size smallint some space sql sqlcode sqlerror sqlstate string struct substring sum symbol system_user table
    temporary then time timestamp to transaction translate translation trim true tuple union unique unknown
    unpivot update upper usage user using value values varchar varying view when whenever where with work write
    zone
"""
_FUNCTIONS: Final = """
    exists count avg max min sum substring char_length character_length octet_length bit_length upper lower size
    sexp list bag
"""
_OTHER_TYPES: Final = """
    ANY BAG BIGINT CHAR CHARACTER CLOB DATE DEC DECIMAL DOUBLE FLOAT INT INT2 INT4 INT8 INTEGER INTEGER2
    INTEGER4 INTEGER8 REAL SEXP SMALLINT SYMBOL TIME TIMESTAMP VARCHAR
"""

KEYWORDS: Final = frozenset(_KEYWORDS.split())

OPERATORS: Final = frozenset(("and", "or", "not", "is", "in", "like", "between", "union", "except", "intersect"))
"""Keywords that stand between or before operands."""

FUNCTIONS: Final = frozenset(_FUNCTIONS.split())
"""Keywords that name functions."""

TYPES: Final = {
    "NULL": "NULL",
    "BOOL": "BOOL",
    "BOOLEAN": "BOOL",
    "STRING": "S",
    "NUMERIC": "N",
    "BLOB": "B",
    "LIST": "L",
    "STRUCT": "M",
    "TUPLE": "M",
}
"""Behind IS: types that DynamoDB has."""

OTHER_TYPES: Final = frozenset(_OTHER_TYPES.split())
"""Behind IS: types of PartiQL that DynamoDB does not have."""
