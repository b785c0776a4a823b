"""Tokens -> tree, by recursive descent. Nothing here looks at names and values: only syntax is judged.

Grammar of conditions (filters and key conditions are conditions):

    condition   := condition OR condition | condition AND condition | NOT condition | ( condition )
                 | operand comparator operand | operand BETWEEN operand AND operand | operand IN ( operand, … )
                 | function
    operand     := function | path | :value | ( operand )
    function    := name ( operand, … )
    path        := name, then .name and [number]; parts of it may be in parentheses

NOT binds closer than AND, AND closer than OR. Updates and projections have grammars of their own, below.
"""

from __future__ import annotations

from typing import Final

from elastickv.dynamodb_api.expressions.lexer import ExpressionError, Kind, Token, syntax_error, tokens_of
from elastickv.dynamodb_api.expressions.nodes import (
    Action,
    AddAction,
    Arithmetic,
    Between,
    Both,
    Comparison,
    Condition,
    ConditionTree,
    DeleteAction,
    Either,
    Function,
    In,
    Not,
    Operand,
    Path,
    Projection,
    RemoveAction,
    SetAction,
    Update,
    ValueRef,
)

MAX_OPERATORS: Final = 300
MAX_OPTIONS: Final = 100
"""Operands of IN."""
MAX_STEPS: Final = 32
"""Of a document path."""
MAX_INDEX: Final = (1 << 31) - 1
_MAX_DEPTH: Final = 320
"""Of parentheses. With at most 300 operators there is no use for more; see `_too_deep`."""

REDUNDANT: Final = "The expression has redundant parentheses;"
_COMPARATORS: Final = frozenset(("=", "<>", "<", "<=", ">", ">="))
_CONDITION_WORDS: Final = frozenset(("AND", "OR", "NOT", "BETWEEN", "IN"))
_UPDATE_WORDS: Final = frozenset(("SET", "REMOVE", "ADD", "DELETE"))
_TIGHTNESS: Final = {"OR": 1, "AND": 2}


class _Cursor:
    """A place in the tokens; what all grammars share."""

    words: frozenset[str] = frozenset()
    """Keywords of the grammar, which are no names."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens_of(text)
        self.at = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def unexpected(self) -> ExpressionError:
        return syntax_error(self.text, self.tokens, self.at)

    def is_sign(self, sign: str) -> bool:
        token = self.tokens[self.at]
        return token.text == sign and token.kind is Kind.SIGN

    def take_sign(self, sign: str) -> bool:
        if self.is_sign(sign):
            self.at += 1
            return True
        return False

    def expect_sign(self, sign: str) -> None:
        if not self.take_sign(sign):
            raise self.unexpected()

    def expect_end(self) -> None:
        if self.token.kind is not Kind.END:
            raise self.unexpected()

    def word(self) -> str:
        """The keyword here, in upper case; "" if there is none."""
        token = self.tokens[self.at]
        if token.kind is Kind.NAME:
            upper = token.text.upper()
            if upper in self.words:
                return upper
        return ""

    def step(self) -> str:
        """A name of a path, as written."""
        token = self.tokens[self.at]
        if token.kind is Kind.NAME_REF or (token.kind is Kind.NAME and not self.word()):
            self.at += 1
            return token.text
        raise self.unexpected()

    def path(self) -> Path:
        return self.longer_path([self.step()])

    def longer_path(self, steps: list[str | int]) -> Path:
        """What follows the steps that were read already."""
        while True:
            if self.take_sign("."):
                steps.append(self.step())
            elif self.is_sign("["):
                self.at += 1
                token = self.token
                if token.kind is not Kind.NUMBER:
                    raise self.unexpected()
                index = int(token.text) if len(token.text) <= 10 else MAX_INDEX + 1
                if index > MAX_INDEX:
                    raise ExpressionError(f"List index is not within the allowable range; index: [{token.text}]")
                self.at += 1
                self.expect_sign("]")
                steps.append(index)
            else:
                break
        if len(steps) > MAX_STEPS:
            raise ExpressionError(f"The document path has too many nesting elements; nesting levels: {len(steps)}")
        return Path(tuple(steps))

    def operand(self) -> Operand:
        """A function, path or value, perhaps in parentheses."""
        token = self.token
        if token.kind is Kind.VALUE_REF:
            self.at += 1
            return ValueRef(token.text)
        if token.kind is Kind.NAME and not self.word() and self.tokens[self.at + 1].text == "(":
            return self.function()
        if not self.is_sign("("):
            return self.path()
        self.enter()
        inner = self.operand()
        self.expect_sign(")")
        self.depth -= 1
        return inner

    def function(self) -> Function:
        name = self.token.text
        self.at += 1
        self.enter(name)
        arguments = self.operands()
        self.expect_sign(")")
        self.depth -= 1
        return Function(name, arguments)

    def operands(self) -> tuple[Operand, ...]:
        found = [self.operand()]
        while self.take_sign(","):
            found.append(self.operand())
        return tuple(found)

    def enter(self, function: str = "") -> None:
        """Past an opening parenthesis (of a function)."""
        self.at += 1
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.too_deep(function)

    def too_deep(self, function: str) -> ExpressionError:
        """So many parentheses cannot all be needed: of operators there are at most 300, and functions take no
        functions but size, which takes none."""
        opening = sum(token.text == "(" for token in self.tokens)
        closing = sum(token.text == ")" for token in self.tokens)
        if opening != closing:
            self.at = len(self.tokens) - 1
            return self.unexpected()
        if function:
            return ExpressionError(f"Invalid function name; function: {function}")
        return ExpressionError(REDUNDANT)


class _ConditionParser(_Cursor):
    words = _CONDITION_WORDS

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.operators = 0
        self.redundant = False

    def count(self) -> None:
        self.operators += 1
        if self.operators > MAX_OPERATORS:
            raise ExpressionError(f"The expression contains too many operators; operator count: {self.operators}")

    def tree(self) -> ConditionTree:
        node, _ = self.binary(1)
        condition = self.as_condition(node)
        self.expect_end()
        return ConditionTree(condition, self.redundant)

    def as_condition(self, node: Condition | Operand) -> Condition:
        """Operands other than functions are no conditions: the token behind them should have been an operator."""
        if isinstance(node, Path | ValueRef | Arithmetic):
            raise self.unexpected()
        return node

    def binary(self, tightness: int) -> tuple[Condition | Operand, bool]:
        """AND and OR that bind at least so tightly; the flag says: a pair of parentheses with nothing around it."""
        node, wrapped = self.unary()
        while True:
            word = self.word()
            binds = _TIGHTNESS.get(word, 0)
            if binds < tightness:
                return node, wrapped
            conditions = [self.as_condition(node)]
            while self.word() == word:
                self.count()
                self.at += 1
                right, _ = self.binary(binds + 1)
                conditions.append(self.as_condition(right))
            node = Both(tuple(conditions)) if word == "AND" else Either(tuple(conditions))
            wrapped = False

    def unary(self) -> tuple[Condition | Operand, bool]:
        negations = 0
        while self.word() == "NOT":
            self.count()
            self.at += 1
            negations += 1
        wrapped = False
        node: Condition | Operand
        if self.is_sign("("):
            self.enter()
            node, inner_wrapped = self.binary(1)
            self.expect_sign(")")
            self.depth -= 1
            wrapped = True
            if inner_wrapped:
                self.redundant = True
            if isinstance(node, Path) and (self.is_sign(".") or self.is_sign("[")):
                node = self.longer_path(list(node.steps))
                wrapped = False
        else:
            node = self.operand()
        if isinstance(node, Path | ValueRef | Function):
            compared = self.comparison(node)
            if compared is not node:
                node, wrapped = compared, False
        if negations:
            node, wrapped = self.as_condition(node), False
            for _ in range(negations):
                node = Not(node)
        return node, wrapped

    def comparison(self, left: Operand) -> Condition | Operand:
        """What an operand is compared with, if it is."""
        token = self.token
        if token.kind is Kind.SIGN and token.text in _COMPARATORS:
            self.count()
            self.at += 1
            return Comparison(token.text, left, self.side())
        word = self.word()
        if word == "BETWEEN":
            self.count()
            self.at += 1
            low = self.side()
            if self.word() != "AND":
                raise self.unexpected()
            self.at += 1
            return Between(left, low, self.side())
        if word == "IN":
            self.count()
            self.at += 1
            if not self.is_sign("("):
                raise self.unexpected()
            self.at += 1
            options = self.operands()
            self.expect_sign(")")
            if len(options) > MAX_OPTIONS:
                raise ExpressionError(
                    f"The IN operator is provided with too many operands; number of operands: {len(options)}"
                )
            return In(left, options)
        return left

    def side(self) -> Operand:
        """An operand right of an operator. Two pairs of parentheses around it are one too many."""
        if self.is_sign("(") and self.tokens[self.at + 1].text == "(":
            self.redundant = True
        operand = self.operand()
        if isinstance(operand, Path) and (self.is_sign(".") or self.is_sign("[")):
            return self.longer_path(list(operand.steps))
        return operand


class _UpdateParser(_Cursor):
    """SET path = value, …  REMOVE path, …  ADD path :value, …  DELETE path :value, …; value is an operand, or two of
    them with + or - between."""

    words = _UPDATE_WORDS

    def tree(self) -> Update:
        actions: list[Action] = []
        sections: list[str] = []
        while True:
            section = self.word()
            if not section:
                raise self.unexpected()
            sections.append(section)
            self.at += 1
            actions.append(self.action(section))
            while self.take_sign(","):
                actions.append(self.action(section))
            if self.token.kind is Kind.END:
                return Update(tuple(actions), tuple(sections))

    def action(self, section: str) -> Action:
        path = self.path()
        if section == "SET":
            self.expect_sign("=")
            return SetAction(path, self.set_value())
        if section == "REMOVE":
            return RemoveAction(path)
        token = self.token
        if token.kind is not Kind.VALUE_REF:
            raise self.unexpected()
        self.at += 1
        value = ValueRef(token.text)
        return AddAction(path, value) if section == "ADD" else DeleteAction(path, value)

    def set_value(self) -> Operand:
        left: Operand
        if self.is_sign("("):
            self.enter()
            left = self.set_value()
            self.expect_sign(")")
            self.depth -= 1
            if isinstance(left, Arithmetic):
                return left
        else:
            left = self.operand()
        for sign in "+-":
            if self.take_sign(sign):
                return Arithmetic(sign, left, self.operand())
        return left


class _ProjectionParser(_Cursor):
    def tree(self) -> Projection:
        paths = [self.path()]
        while self.take_sign(","):
            paths.append(self.path())
        self.expect_end()
        return Projection(tuple(paths))


def parse_condition(text: str) -> ConditionTree:
    """ExpressionError without the name of the expression in front."""
    return _ConditionParser(text).tree()


def parse_update(text: str) -> Update:
    return _UpdateParser(text).tree()


def parse_projection(text: str) -> Projection:
    return _ProjectionParser(text).tree()
