"""PartiQL: SELECT, INSERT, UPDATE, DELETE and EXISTS, as far as AWS documents them for DynamoDB.

Statements become the same trees that expressions become (`expressions.nodes`) and are executed by the same functions
(`reads`, `writes`), so a predicate means the same in both languages.
"""
