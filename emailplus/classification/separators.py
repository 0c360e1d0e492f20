"""The `separatorRegex` of a configuration, matched in time proportional to the text.

The expression comes from outside the program, and the `re` module has no time limit. Only where a match begins matters
here, so the expression is turned into an automaton that runs backwards over the text once: every position where a
non-empty match begins is found in one pass, whatever the expression.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any, Final

MAX_PATTERN: Final = 1_000
"""Characters of an expression."""
MAX_STATES: Final = 3_000
"""States of its automaton; counted repeats multiply them."""
_MAX_CACHE: Final = 20_000

_parser: Any = importlib.import_module("re._parser")

_Test = Callable[[str], bool]
_CATEGORIES: Final[dict[str, _Test]] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": lambda char: char.isalnum() or char == "_",
}


class Separator:
    """A compiled `separatorRegex`."""

    def __init__(self, pattern: str) -> None:
        """Raises `ValueError` when the expression does not compile, is too large, or looks around or back."""
        if len(pattern) > MAX_PATTERN:
            raise ValueError(f"expression longer than {MAX_PATTERN:,} characters")
        self.pattern = pattern
        try:
            tree = _parser.parse(pattern)
        except (re.error, RecursionError, OverflowError) as problem:
            raise ValueError(f"expression does not compile: {problem}") from None
        self._flags: int = tree.state.flags
        # One literal or class, where `re` is linear; None for all else.
        self.single = re.compile(pattern) if _one_character(tree) else None
        if self.single is None:
            self._automaton = _Automaton(self._flags)
            try:
                start = self._automaton.sequence(tree, self._automaton.new())
            except RecursionError:
                raise ValueError("expression is nested too deeply") from None
            self._automaton.finish(start)

    def __repr__(self) -> str:
        return f"Separator({self.pattern!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Separator) and other.pattern == self.pattern

    def __hash__(self) -> int:
        return hash(self.pattern)

    def starts(self, text: str) -> list[int]:
        """The positions in `text` where a match of at least one character begins, ascending."""
        if self.single is not None:
            return [found.start() for found in self.single.finditer(text)]
        return self._automaton.starts(text)


def _one_character(tree: Any) -> bool:
    """True for one literal or character class: by far the most common, and `re` is linear on it."""
    return len(tree) == 1 and str(tree[0][0]) in ("LITERAL", "NOT_LITERAL", "ANY", "IN")


class _Automaton:
    """A Thompson automaton of the expression. State 0 is the end of a match.

    Built from the end towards the start: `edges[state]` are (test, next state), `empty[state]` next states reached
    without a character, each with an optional condition on the position.
    """

    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.edges: list[list[tuple[_Test, int]]] = []
        self.empty: list[list[tuple[str, int]]] = []
        self.begin = 0

    def new(self) -> int:
        if len(self.edges) >= MAX_STATES:
            raise ValueError("expression is too large")
        self.edges.append([])
        self.empty.append([])
        return len(self.edges) - 1

    def finish(self, start: int) -> None:
        self.begin = start
        self.back_edges: list[list[tuple[_Test, int]]] = [[] for _ in self.edges]
        self.back_empty: list[list[tuple[str, int]]] = [[] for _ in self.edges]
        for state, edges in enumerate(self.edges):
            for test, target in edges:
                self.back_edges[target].append((test, state))
        for state, jumps in enumerate(self.empty):
            for condition, target in jumps:
                self.back_empty[target].append((condition, state))
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def sequence(self, tree: Any, after: int) -> int:
        for item in reversed(list(tree)):
            after = self._item(item, after)
        return after

    def _item(self, item: Any, after: int) -> int:
        kind, argument = str(item[0]), item[1]
        if kind in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            state = self.new()
            self.edges[state].append((self._test(kind, argument), after))
            return state
        if kind == "SUBPATTERN":
            if argument[1] or argument[2]:
                raise ValueError("flags inside a group are not supported in a separator")
            return self.sequence(argument[3], after)
        if kind == "ATOMIC_GROUP":
            raise ValueError("atomic groups are not supported in a separator")
        if kind == "BRANCH":
            state = self.new()
            self.empty[state].extend([("", self.sequence(branch, after)) for branch in argument[1]])
            return state
        if kind in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, inner = argument
            return self._repeat(least, most, inner, after)
        if kind == "AT":
            state = self.new()
            self.empty[state].append((str(argument), after))
            return state
        raise ValueError(f"{kind.lower().replace('_', ' ')} is not supported in a separator")

    def _repeat(self, least: int, most: Any, inner: Any, after: int) -> int:
        if most == _parser.MAXREPEAT:
            loop = self.new()
            self.empty[loop].extend([("", self.sequence(inner, loop)), ("", after)])
            state = loop
        else:
            state = after
            for _ in range(int(most) - least):
                optional = self.new()
                self.empty[optional].extend([("", self.sequence(inner, state)), ("", after)])
                state = optional
        for _ in range(least):
            before = len(self.edges)
            state = self.sequence(inner, state)
            if len(self.edges) == before:
                break  # nothing inside: once is as often as any
        return state

    def _test(self, kind: str, argument: Any) -> _Test:
        if kind == "ANY":
            return (lambda char: True) if self.flags & re.DOTALL else (lambda char: char != "\n")
        if kind == "IN":
            members = [self._test_member(str(name), value) for name, value in argument if str(name) != "NEGATE"]
            negate = any(str(name) == "NEGATE" for name, _ in argument)
        else:
            members = [self._test_member("LITERAL", argument)]
            negate = kind == "NOT_LITERAL"
        ignore_case = bool(self.flags & re.IGNORECASE)

        def test(char: str) -> bool:
            forms = {char, char.lower(), char.upper()} if ignore_case else {char}
            return any(member(form) for member in members for form in forms) is not negate

        return test

    def _test_member(self, kind: str, argument: Any) -> _Test:
        if kind == "LITERAL":
            return lambda char: len(char) == 1 and ord(char) == argument
        if kind == "RANGE":
            low, high = argument
            return lambda char: len(char) == 1 and low <= ord(char) <= high
        name = str(argument)
        if name.startswith("CATEGORY_NOT_"):
            positive = _CATEGORIES["CATEGORY_" + name.removeprefix("CATEGORY_NOT_")]
            return lambda char: not positive(char)
        return _CATEGORIES[name]

    def starts(self, text: str) -> list[int]:
        if len(self._steps) > _MAX_CACHE:
            self._steps.clear()
        result: list[int] = []
        states: frozenset[int] = frozenset()
        for at in range(len(text), -1, -1):
            if at < len(text):
                key = (states, text[at])
                moved = self._steps.get(key)
                if moved is None:
                    moved = frozenset(
                        source for state in states for test, source in self.back_edges[state] if test(text[at])
                    )
                    self._steps[key] = moved
            else:
                moved = states
            # Only what came over a character makes a match: states without one are closed apart.
            reached = self._close(moved, text, at)
            if self.begin in reached:
                result.append(at)
            states = reached | self._close(frozenset({0}), text, at)
        result.reverse()
        return result

    def _close(self, states: frozenset[int], text: str, at: int) -> frozenset[int]:
        done = set(states)
        stack = list(states)
        while stack:
            for condition, source in self.back_empty[stack.pop()]:
                if source not in done and (not condition or self._holds(condition, text, at)):
                    done.add(source)
                    stack.append(source)
        return frozenset(done)

    def _holds(self, condition: str, text: str, at: int) -> bool:
        multiline = bool(self.flags & re.MULTILINE)
        if condition in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
            return at == 0 or (multiline and condition == "AT_BEGINNING" and text[at - 1] == "\n")
        if condition == "AT_END":
            return at == len(text) or (at == len(text) - 1 and text[at] == "\n") or (multiline and text[at] == "\n")
        if condition == "AT_END_STRING":
            return at == len(text)
        word = _CATEGORIES["CATEGORY_WORD"]
        before = at > 0 and word(text[at - 1])
        after = at < len(text) and word(text[at])
        return (before != after) is (condition == "AT_BOUNDARY")
