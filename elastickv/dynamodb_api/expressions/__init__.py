"""Expressions without I/O: one pipeline for conditions, filters, key conditions, projections and updates.

lexer     text -> tokens
parser    tokens -> tree (`nodes`), names and values still placeholders
resolve   names put in; unknown, unused and misused ones reported in AWS' words and order; cached by text
evaluate  condition -> a function of an item
paths     document paths: look up, project
update    update -> a function that changes an item
legacy    Expected, KeyConditions, AttributeUpdates, ... as the same trees
"""
