"""Words with a meaning of their own. Where one of them is an attribute's or a table's name it stands in double quotes.

These are the words that the grammar of PartiQL's reference parser, which DynamoDB uses, is made of. Its list of
keywords has all those of SQL-92; but DynamoDB takes at least one of them (ONLY) for a name, so here they are names.
"""

from __future__ import annotations

from typing import Final

_KEYWORDS: Final = """
    and as asc at between by case cast create cross delete desc distinct drop else escape except exec exists false from
    full group having in inner insert intersect into is join left let like limit missing not null on or order outer
    pivot remove returning right select set then true union unpivot update value values when where
"""
_OTHER_TYPES: Final = """
    ANY BAG BIGINT CHAR CHARACTER CLOB DATE DEC DECIMAL DOUBLE FLOAT INT INT2 INT4 INT8 INTEGER INTEGER2
    INTEGER4 INTEGER8 REAL SEXP SMALLINT SYMBOL TIME TIMESTAMP VARCHAR
"""

KEYWORDS: Final = frozenset(_KEYWORDS.split())

OPERATORS: Final = frozenset(("and", "or", "not", "is", "in", "like", "between", "union", "except", "intersect"))
"""Keywords that stand between or before operands."""

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
