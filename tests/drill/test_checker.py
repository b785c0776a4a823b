"""The checker against histories whose verdict is known, and against a slow checker that cannot be wrong."""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from elastickv.drill.checker import Verdict, check
from elastickv.drill.history import Operation, Outcome, Value
from elastickv.drill.models import ILLEGAL, MODELS, AppendList, Counter, Model, Register, model_of

OK, FAIL, UNKNOWN = Outcome.OK, Outcome.FAIL, Outcome.UNKNOWN


def op(
    start: float,
    end: float,
    kind: str,
    argument: Value = None,
    result: Value = None,
    *,
    key: str = "k",
    outcome: Outcome = OK,
) -> Operation:
    ended = math.inf if outcome is UNKNOWN else end
    return Operation(f"c{int(start)}", kind, key, argument, result, outcome, start, ended)


LINEARIZABLE = {
    "nothing": [],
    "one after another": [op(0, 1, "set", "a"), op(2, 3, "get", None, "a")],
    "a read beside the write sees the old value": [op(0, 9, "set", "a"), op(1, 2, "get", None, None)],
    "a read beside the write sees the new value": [op(0, 9, "set", "a"), op(1, 2, "get", None, "a")],
    "two reads beside the write, old then new": [
        op(0, 9, "set", "a"),
        op(1, 2, "get", None, None),
        op(3, 4, "get", None, "a"),
    ],
    "answer and question at the same instant are concurrent": [op(0, 1, "set", "a"), op(1, 2, "get", None, None)],
    "an unknown write that took effect late": [
        op(0, 1, "set", "a", outcome=UNKNOWN),
        op(2, 3, "get", None, None),
        op(4, 5, "get", None, "a"),
    ],
    "an unknown write that never took effect": [op(0, 1, "set", "a", outcome=UNKNOWN), op(2, 3, "get", None, None)],
    "a failed write": [op(0, 1, "set", "a", outcome=FAIL), op(2, 3, "get", None, None)],
    "compare and swap": [
        op(0, 1, "set", "a"),
        op(2, 5, "cas", ("a", "b"), True),
        op(3, 4, "cas", ("a", "c"), False),
        op(6, 7, "get", None, "b"),
    ],
    "an unknown swap explains another's failure": [
        op(0, 1, "set", "a"),
        op(2, 3, "cas", ("a", "b"), outcome=UNKNOWN),
        op(4, 5, "cas", ("a", "c"), False),
    ],
    "delete tells whether there was something": [
        op(0, 1, "delete", None, False),
        op(2, 3, "set", "a"),
        op(4, 5, "delete", None, True),
        op(6, 7, "get", None, None),
    ],
    "a counter with an unknown step": [
        op(0, 1, "add", 1, 1),
        op(2, 3, "add", 1, outcome=UNKNOWN),
        op(4, 5, "add", 1, 3),
        op(6, 7, "total", None, 3),
    ],
    "a list in the order of its pushes": [
        op(0, 5, "push", "a"),
        op(1, 4, "push", "b", 1),
        op(6, 7, "list", None, ("b", "a")),
    ],
    "keys are independent": [op(0, 1, "set", "a", key="x"), op(2, 3, "get", None, None, key="y")],
}

VIOLATIONS = {
    "stale read": [op(0, 1, "set", "a"), op(2, 3, "set", "b"), op(4, 5, "get", None, "a")],
    "lost write": [op(0, 1, "set", "a"), op(2, 3, "get", None, None)],
    "resurrected failed write": [
        op(0, 1, "set", "a"),
        op(2, 3, "set", "b", outcome=FAIL),
        op(4, 5, "get", None, "b"),
    ],
    "new then old": [
        op(0, 9, "set", "a"),
        op(1, 2, "get", None, "a"),
        op(3, 4, "get", None, None),
    ],
    "an unknown write that came and went": [
        op(0, 1, "set", "a"),
        op(2, 3, "set", "b", outcome=UNKNOWN),
        op(4, 5, "get", None, "b"),
        op(6, 7, "get", None, "a"),
    ],
    "an unknown write that took effect before it was asked": [
        op(0, 1, "get", None, "b"),
        op(2, 3, "set", "b", outcome=UNKNOWN),
    ],
    "a write from nowhere": [op(0, 1, "get", None, "z")],
    "two swaps from the same value": [
        op(0, 1, "set", "a"),
        op(2, 5, "cas", ("a", "b"), True),
        op(3, 4, "cas", ("a", "c"), True),
    ],
    "a swap that failed for no reason": [op(0, 1, "set", "a"), op(2, 3, "cas", ("a", "b"), False)],
    "deleted twice": [op(0, 1, "set", "a"), op(2, 3, "delete", None, True), op(4, 5, "delete", None, True)],
    "duplicate apply of a step": [op(0, 1, "add", 1), op(2, 3, "total", None, 2)],
    "duplicate apply of an unknown step": [op(0, 1, "add", 1, outcome=UNKNOWN), op(2, 3, "total", None, 2)],
    "a step that two saw as theirs": [op(0, 3, "add", 1, 1), op(1, 2, "add", 1, 1)],
    "duplicate apply of a push": [op(0, 1, "push", "a"), op(2, 3, "list", None, ("a", "a"))],
    "two orders of the same pushes": [
        op(0, 3, "push", "a"),
        op(1, 2, "push", "b"),
        op(4, 5, "list", None, ("a", "b")),
        op(6, 7, "list", None, ("b", "a")),
    ],
    "one bad key among good ones": [
        op(0, 1, "set", "a", key="x"),
        op(2, 3, "get", None, "a", key="x"),
        op(4, 5, "get", None, "a", key="y"),
    ],
}


@pytest.mark.parametrize("history", LINEARIZABLE.values(), ids=LINEARIZABLE.keys())
def test_known_good_histories_are_accepted(history: list[Operation]) -> None:
    report = check(history)
    assert report.verdict is Verdict.LINEARIZABLE, str(report)
    assert report.operations == len(history)


@pytest.mark.parametrize("history", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_known_bad_histories_are_rejected(history: list[Operation]) -> None:
    report = check(history)
    assert report.verdict is Verdict.VIOLATION
    assert len(report.violations) == 1


# --- Fast against slow -----------------------------------------------------------------------------------------------


def explainable_slowly(history: list[Operation], model: Model) -> bool:
    """By the definition: some order of the certain operations and of some of the uncertain ones."""
    known = [each for each in history if each.outcome is OK]
    unknown = [each for each in history if each.outcome is UNKNOWN]
    for mask in range(1 << len(unknown)):
        chosen = known + [each for number, each in enumerate(unknown) if mask >> number & 1]
        if any(in_time(order) and legal(order, model) for order in permutations(chosen)):
            return True
    return False


def in_time(order: tuple[Operation, ...]) -> bool:
    return all(
        not later.returned_at < earlier.invoked_at
        for position, earlier in enumerate(order)
        for later in order[position + 1 :]
    )


def legal(order: tuple[Operation, ...], model: Model) -> bool:
    state: Value = model.initial
    for each in order:
        after = model.step(state, each)
        if after is ILLEGAL:
            return False
        state = after
    return True


small = st.sampled_from(["a", "b", None])
register_calls = st.one_of(
    st.tuples(st.just("get"), st.none(), small),
    st.tuples(st.just("set"), st.sampled_from(["a", "b", "c", None]), st.none()),
    st.tuples(st.just("cas"), st.tuples(small, st.sampled_from(["a", "b", "c", None])), st.booleans() | st.none()),
    st.tuples(st.just("delete"), st.none(), st.booleans() | st.none()),
)
counter_calls = st.one_of(
    st.tuples(st.just("total"), st.none(), st.integers(0, 4)),
    st.tuples(st.just("add"), st.integers(1, 2), st.integers(1, 4) | st.none()),
)
list_calls = st.one_of(
    st.tuples(st.just("list"), st.none(), st.lists(st.sampled_from("ab"), max_size=3).map(tuple)),
    st.tuples(st.just("push"), st.sampled_from("ab"), st.integers(1, 3) | st.none()),
)
outcomes = st.sampled_from([OK, OK, OK, UNKNOWN, UNKNOWN, FAIL])


@st.composite
def any_histories(draw: st.DrawFn) -> list[Operation]:
    calls = draw(st.sampled_from([register_calls, counter_calls, list_calls]))
    history = []
    for _ in range(draw(st.integers(1, 5))):
        kind, argument, result = draw(calls)
        start = draw(st.integers(0, 9))
        end = start + draw(st.integers(0, 4))
        history.append(op(start, end, kind, argument, result, outcome=draw(outcomes)))
    return history


@settings(max_examples=600, deadline=None)
@given(any_histories())
@example([op(0, 5, "set", "a"), op(0, 0, "get", None, "a"), op(0, 0, "get", None, None)])
def test_fast_and_slow_agree_on_any_small_history(history: list[Operation]) -> None:
    expected = explainable_slowly(history, model_of(history))
    report = check(history)
    assert (report.verdict is Verdict.LINEARIZABLE) is expected, str(report)


def simulate(
    rng: random.Random, model: Model, count: int, clients: int, keys: int, unknown: float = 0.1
) -> list[Operation]:
    """A real execution: each operation takes effect at one instant inside its span, on one machine per key."""
    spans = []
    for each in range(clients):
        at = rng.random()
        for _ in range(count // clients):
            effect = at + rng.random()
            end = effect + rng.random()
            spans.append((effect, at, end, f"c{each}"))
            at = end + rng.random() * 0.2
    states: dict[str, Value] = {}
    history = []
    for number, (_, start, end, client) in enumerate(sorted(spans)):
        key = f"k{rng.randrange(keys)}"
        kind = rng.choice(sorted(model.kinds))
        argument: Value = None
        if kind in ("set", "push"):
            argument = f"v{number}"
        elif kind == "cas":
            argument = (rng.choice([states.get(key), f"v{rng.randrange(count)}"]), f"v{number}")
        elif kind == "add":
            argument = rng.randint(1, 3)
        before = states.get(key, model.initial)
        outcome = rng.choices([OK, UNKNOWN, FAIL], [1 - unknown, unknown, 0.02])[0]
        took_effect = outcome is OK or (outcome is UNKNOWN and rng.random() < 0.5)
        operation = Operation(client, kind, key, argument, None, UNKNOWN, start, math.inf)
        after = model.step(before, operation)
        assert after is not ILLEGAL
        if outcome is not UNKNOWN:
            result = _answer(kind, argument, before, after) if outcome is OK else None
            operation = replace(operation, outcome=outcome, returned_at=end, result=result)
        history.append(operation)
        if took_effect:
            states[key] = after
    return history


def _answer(kind: str, argument: Value, before: Value, after: Value) -> Value:
    match kind:
        case "get" | "total" | "list" | "add":
            return after
        case "cas":
            assert isinstance(argument, tuple)
            return before == argument[0]
        case "delete":
            return before is not None
        case "push":
            assert isinstance(after, tuple)
            return len(after)
        case _:
            return None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(MODELS), st.integers(1, 6))
def test_real_executions_are_accepted(seed: int, model: Model, clients: int) -> None:
    history = simulate(random.Random(seed), model, 60, clients, 3)
    report = check(history)
    assert report.verdict is Verdict.LINEARIZABLE, str(report)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(MODELS))
def test_a_mutation_is_rejected_exactly_when_the_slow_checker_rejects_it(seed: int, model: Model) -> None:
    rng = random.Random(seed)
    history = simulate(rng, model, 6, 3, 1)
    told = [number for number, each in enumerate(history) if each.outcome is OK and each.result is not None]
    assume(told)
    number = rng.choice(told)
    others = [each.result for each in history] + [each.argument for each in history if each.kind in ("set", "add")]
    replacement = rng.choice(
        [value for value in others if value is None or type(value) is type(history[number].result)]
    )
    history[number] = replace(history[number], result=replacement)
    expected = explainable_slowly(history, model)
    assert (check(history).verdict is Verdict.LINEARIZABLE) is expected


# --- What the report says --------------------------------------------------------------------------------------------


def test_the_report_names_the_first_impossible_answer_and_only_what_matters() -> None:
    noise = [op(20 + n, 20.5 + n, "get", None, "b") for n in range(5)]
    history = [
        op(0, 1, "set", "z"),
        op(2, 3, "get", None, "z"),
        op(4, 5, "set", "a"),
        op(6, 7, "set", "b"),
        op(8, 9, "get", None, "b"),
        op(10, 11, "get", None, "a"),
        *noise,
    ]
    (violation,) = check(history).violations
    assert violation.culprit == history[5]
    assert set(violation.evidence) == {history[2], history[4], history[5]} or set(violation.evidence) == {
        history[2],
        history[3],
        history[5],
    }
    assert violation.left_out == 3
    assert violation.possible is not None
    assert "b" in violation.possible
    assert "a" not in violation.possible
    text = str(violation)
    assert ">> [10.000000 .. 11.000000] c10: get(k) -> 'a'" in text
    assert "'k' (register) is not linearizable" in text


def test_a_flood_of_unknown_writes_does_not_drown_the_search() -> None:
    """Each swap that failed needs some writer in between; which of the hundred it was does not matter."""
    history = [op(n, n, "set", f"unknown{n}", outcome=UNKNOWN) for n in range(100)]
    for n in range(100, 200, 2):
        history += [op(n, n + 0.5, "set", f"v{n}"), op(n + 1, n + 1.5, "cas", (f"v{n}", f"w{n}"), False)]
    assert check(history, timeout_seconds=20).verdict is Verdict.LINEARIZABLE
    one_too_many = [*history, *(op(n, n + 0.5, "cas", (None, "x"), True) for n in range(300, 400))]
    assert check(one_too_many, timeout_seconds=20).verdict is Verdict.VIOLATION


def test_a_write_can_be_the_culprit() -> None:
    (violation,) = check(VIOLATIONS["two swaps from the same value"]).violations
    assert violation.culprit.kind == "cas"
    assert violation.possible is None
    assert "no order of effects explains the marked answer" in str(violation)


def test_a_search_that_runs_out_of_time_is_undecided_and_not_good() -> None:
    ticks = iter(range(10**9))
    report = check(LINEARIZABLE["compare and swap"], timeout_seconds=0.5, now=lambda: float(next(ticks)))
    assert report.verdict is Verdict.UNDECIDED
    assert report.undecided == ("k",)
    assert "not enough time for: 'k'" in str(report)


def test_a_violation_elsewhere_beats_lack_of_time() -> None:
    calls = 0

    def now() -> float:
        nonlocal calls
        calls += 1
        return 0.0 if calls < 3 else 100.0 if calls < 1000 else 1e9

    history = [op(0, 1, "get", None, "z", key="short"), *LINEARIZABLE["compare and swap"]]
    report = check(history, timeout_seconds=50, now=now)
    assert report.verdict is Verdict.VIOLATION
    assert report.undecided == ("k",)


def test_models_are_told_apart_by_their_operations() -> None:
    assert [model_of([op(0, 1, kind)]) for kind in ("cas", "add", "push")] == [Register(), Counter(), AppendList()]
    kinds = [kind for model in MODELS for kind in model.kinds]
    assert len(kinds) == len(set(kinds)), "an operation means one model"
    with pytest.raises(ValueError, match="no model"):
        model_of([op(0, 1, "get"), op(0, 1, "push", "a")])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_readers_never_change_the_state(model: Model) -> None:
    assert model.readers < model.kinds
    for kind in model.readers:
        question = op(0, 1, kind, outcome=UNKNOWN)
        assert model.step(model.initial, question) == model.initial


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_foreign_operations_are_refused(model: Model) -> None:
    with pytest.raises(ValueError, match="has no 'jump'"):
        check([op(0, 1, "jump")], model=model)


@pytest.mark.parametrize(("kind", "argument"), [("cas", "a"), ("add", "a")])
def test_malformed_arguments_are_refused(kind: str, argument: Value) -> None:
    with pytest.raises(ValueError, match="takes"):
        check([op(0, 1, kind, argument)])


@pytest.mark.parametrize("model", [Register(), Counter()], ids=lambda model: model.name)
def test_twenty_thousand_operations_take_seconds(model: Model) -> None:
    history = simulate(random.Random(7), model, 20_000, 10, 50, unknown=0.02)
    started = time.process_time()
    assert check(history).verdict is Verdict.LINEARIZABLE
    assert time.process_time() - started < 10


def test_one_stale_read_in_twenty_thousand_operations_is_found_and_explained() -> None:
    history = simulate(random.Random(11), Register(), 20_000, 10, 50, unknown=0.02)
    reads = [n for n, each in enumerate(history) if each.kind == "get" and each.outcome is OK and each.result]
    number = reads[len(reads) * 3 // 4]
    older = next(each for each in history if each.key == history[number].key and each.kind == "set")
    history[number] = replace(history[number], result=older.argument)
    (violation,) = check(history).violations
    assert violation.culprit == history[number]
    assert len(violation.evidence) < 10
