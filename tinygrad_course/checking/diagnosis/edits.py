"""Small changes of a learner's source: what somebody would change who corrects it.

Each edit puts other text in place of one expression or line of a function. They are found in the syntax tree and made
in the text, so that everything else stays as the learner wrote it. A table says for each kind of node what may be
changed; to add a kind of change, add a function to `CHANGES` (or, for whole lines, to `of_lines`).
"""
from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

ARRAY_FUNCTIONS = ("dot", "multiply", "sum", "mean", "tanh", "exp", "log", "maximum", "minimum", "sqrt", "abs",
                   "divide", "zeros", "ones", "power", "square", "matmul")
RANDOM_FUNCTIONS = ("randn", "rand")
OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@",
                                            ast.Pow: "**"}
COMPARISONS: dict[type[ast.cmpop], str] = {ast.Gt: ">", ast.Lt: "<", ast.GtE: ">=", ast.LtE: "<=", ast.Eq: "==",
                                           ast.NotEq: "!="}
QUANTITY = re.compile(r"(d?[AZWbDw]|costs?|p)_?(\d?)")
ACTIVATIONS = ("relu", "sigmoid", "tanh")
SLOPES = ("(1 - {0})", "(1 - {0} ** 2)", "({0} > 0)", "np.exp(-{0})")  # factors as derivatives have them
SIZES = re.compile(r"(m|n|n_?[xhy]|m_\w+|learning_rate|lr|alpha|lambd|keep_prob|epsilon|num_\w+|batch\w*|N|eta)")


class Edit(NamedTuple):
    """kind: what was changed, without saying to what. change: from what to what. weight: how unlikely it is."""
    line: int
    pieces: tuple[tuple[int, int, bytes], ...]  # from, to, the text in place of it; in bytes of the source
    kind: str
    change: str
    weight: float

    def applied(self, source: bytes) -> bytes:
        for start, end, text in sorted(self.pieces, reverse=True):
            source = source[:start] + text + source[end:]
        return source


class Scope(NamedTuple):
    """What may be written in a function: its own names, and the functions that it could call."""
    names: Sequence[str]
    functions: Sequence[str]
    sizes: Sequence[str]


class Found(NamedTuple):
    """Another text for a node."""
    text: str
    kind: str
    weight: float


def edits(source: str, functions: Sequence[str]) -> list[Edit]:
    """All edits of a function's source, the likeliest first, each text once. functions: that it could call."""
    tree = ast.parse(source)
    function = tree.body[0]
    assert isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
    text = _Text(source)
    scope = _scope(function, functions)
    found = [*_of_expressions(function, text, scope), *everywhere(function, text, scope), *of_lines(function, text)]
    once: dict[tuple[tuple[int, int, bytes], ...], Edit] = {}
    for edit in sorted(found, key=lambda edit: edit.weight):
        once.setdefault(edit.pieces, edit)
    return list(once.values())


def _scope(function: ast.FunctionDef | ast.AsyncFunctionDef, functions: Sequence[str]) -> Scope:
    parameters = [one.arg for one in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    stored = [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    names = list(dict.fromkeys(name for name in [*parameters, *stored] if name not in ("self", "_")))
    sizes = [name for name in names if SIZES.fullmatch(name)]
    if not any(name in sizes for name in ("m", "n", "N")):
        sizes += [f"{name}.shape[1]" for name in parameters if name in ("X", "Y", "A2", "AL", "A_prev", "dZ")][:2]
    return Scope(names, functions, sizes)


class _Text:
    """The source as bytes, as the syntax tree counts columns."""

    def __init__(self, source: str):
        self.bytes = source.encode()
        self.lines = self.bytes.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return (self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset)

    def of(self, node: ast.expr | ast.stmt) -> str:
        start, end = self.span(node)
        return self.bytes[start:end].decode()

    def line_span(self, first: ast.stmt, last: ast.stmt) -> tuple[int, int]:
        assert last.end_lineno is not None
        return self.starts[first.lineno - 1], self.starts[last.end_lineno]


# --------------------------------------------------------------------------------------------- expressions


def _of_expressions(function: ast.AST, text: _Text, scope: Scope) -> Iterator[Edit]:
    for node, role in _expressions(function):
        own = text.of(node)
        start, end = text.span(node)
        for change in CHANGES:
            for new, kind, weight in change(node, role, text, scope):
                if new != own:
                    shown = f"{_short(_plain(new))} in place of {_short(own)}"
                    yield Edit(node.lineno, ((start, end, new.encode()),), kind, shown, weight)


def _plain(text: str) -> str:
    """Without brackets around the whole."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and place < len(text) - 1:
            return text
    return text[1:-1] if "," not in text else text


def _short(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= 60 else joined[:57] + "..."


def everywhere(function: ast.FunctionDef | ast.AsyncFunctionDef, text: _Text, scope: Scope) -> Iterator[Edit]:
    """The same change in all places: a global in place of an argument, a number in place of an argument."""
    places: dict[str, list[ast.expr]] = {}
    for node, role in _expressions(function):
        number = isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
        name = isinstance(node, ast.Name) and _loaded(node) and role.place != "func"
        if number or name or isinstance(node, ast.Call) and text.of(node.func).endswith(("randn", "rand")):
            places.setdefault(text.of(node.func) if isinstance(node, ast.Call) else text.of(node), []).append(node)
    for own, nodes in places.items():
        first, *more = nodes
        line = first.lineno
        if isinstance(first, ast.Call):
            yield from _sizes_by_themselves(nodes, text)
            continue
        is_global = isinstance(first, ast.Name) and own not in scope.names and own not in ("np", "math")
        if not more and not is_global:
            continue
        news = [*scope.names, *(f"{name}.shape[1]" for name in scope.names[:4])] if is_global else scope.names
        for new in news:
            if new != own:
                kind = "a global name where an argument belongs" if is_global else (
                    "another name" if isinstance(first, ast.Name) else "a number where a name belongs")
                yield Edit(line, tuple((*text.span(node), new.encode()) for node in nodes), kind,
                           f"{new} in place of {own}", 0.45 if is_global else 0.75)


def _sizes_by_themselves(nodes: Sequence[ast.expr], text: _Text) -> Iterator[Edit]:
    """np.random.randn((a, b)) takes two numbers."""
    pieces = []
    for node in nodes:
        assert isinstance(node, ast.Call)
        if len(node.args) == 1 and isinstance(node.args[0], ast.Tuple):
            inner = ", ".join(text.of(one) for one in node.args[0].elts)
            pieces.append((*text.span(node.args[0]), inner.encode()))
    if pieces:
        yield Edit(nodes[0].lineno, tuple(pieces), "sizes in brackets where the function takes them one by one",
                   "the sizes without the inner brackets", 0.4)


class Standing(NamedTuple):
    """Where an expression stands. place: "value" of an assignment, "returned", "operand" of a matrix product, ..."""
    parent: ast.AST
    place: str


def _expressions(function: ast.AST) -> Iterator[tuple[ast.expr, Standing]]:
    """Every expression of the body that is read, with where it stands."""
    assert isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
    waiting: list[tuple[ast.AST, ast.AST, str]] = [(one, function, "body") for one in reversed(function.body)]
    while waiting:
        node, parent, place = waiting.pop()
        if isinstance(node, ast.expr):
            yield node, Standing(parent, place)
        for name, value in reversed(list(ast.iter_fields(node))):
            for inner in reversed(value if isinstance(value, list) else [value]):
                if isinstance(inner, ast.AST) and not isinstance(inner, (ast.expr_context, ast.operator, ast.cmpop)):
                    waiting.append((inner, node, name))


Change = Callable[[ast.expr, Standing, _Text, Scope], Iterator[Found]]


def _loaded(node: ast.expr) -> bool:
    return isinstance(getattr(node, "ctx", ast.Load()), ast.Load)


def other_name(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    if not isinstance(node, ast.Name) or role.place == "func" or node.id in ("np", "math", "self"):
        return
    for name in scope.names if _loaded(node) else ():
        # The same letter, the same layer: likelier mistaken for each other.
        alike = 0.1 * (name.strip("0123456789") == node.id.strip("0123456789")) + 0.05 * (name[-1] == node.id[-1])
        yield Found(name, "another name", 0.5 - alike)
    for name in scope.names if not _loaded(node) and isinstance(role.parent, ast.Assign) else ():
        yield Found(name, "the name that is assigned", 0.8)


def other_function(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    if role.place != "func":
        return
    if isinstance(node, ast.Name):
        for name in (*scope.functions, "np.tanh", "len", "range"):
            yield Found(name, "another function", 0.6)
    if isinstance(node, ast.Attribute):
        base = text.of(node.value)
        others = RANDOM_FUNCTIONS if node.attr in RANDOM_FUNCTIONS else ARRAY_FUNCTIONS
        for name in others if node.attr in others or base == "np" else ():
            yield Found(f"{base}.{name}", "another function", 0.5 if node.attr in others else 0.9)


def operators(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    """Another operator, one operand alone, both in the other order, or brackets elsewhere."""
    if not isinstance(node, ast.BinOp) or type(node.op) not in OPERATORS:
        return
    own = OPERATORS[type(node.op)]
    left, right = _bracketed(node.left, text), _bracketed(node.right, text)
    for sign in OPERATORS.values():
        if sign != own:
            close = {own, sign} in ({"+", "-"}, {"*", "/"}, {"*", "@"})
            yield Found(f"({left} {sign} {right})", "an operator", 0.4 if close else 0.7)
    if own in "*@":
        yield Found(f"({left} @ {right}.T)", "an operator", 0.75)
        yield Found(f"({left}.T @ {right})", "an operator", 0.75)
    yield Found(f"({right} {own} {left})", "the order of two operands", 0.6)
    yield Found(left, "something too many", 0.5)
    yield Found(right, "something too many", 0.5)
    if own == "-":
        yield Found(f"(-{right})", "something too many", 0.8)
    if own in "*/@":
        yield Found(f"({left} * (1 - {right}))", "1 - ... is missing", 0.9)
    for inner, outer, form in ((node.left, right, "({1} {2} ({3} {4} {0}))"),
                               (node.right, left, "(({0} {4} {1}) {2} {3})")):
        if isinstance(inner, ast.BinOp) and type(inner.op) in OPERATORS:
            a, b = _bracketed(inner.left, text), _bracketed(inner.right, text)
            yield Found(form.format(outer, a, OPERATORS[type(inner.op)], b, own), "where the brackets stand", 0.7)


def _bracketed(node: ast.expr, text: _Text) -> str:
    simple = isinstance(node, (ast.Name, ast.Constant, ast.Attribute, ast.Call, ast.Subscript))
    return text.of(node) if simple else f"({text.of(node)})"


def signs(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Invert, ast.Not)):
        yield Found(text.of(node.operand), "the sign", 0.5)
    elif _is_value(node, role) or role.place in ("args", "left", "right", "elt"):
        if isinstance(node, (ast.BinOp, ast.Call, ast.Name, ast.Subscript)) and _loaded(node):
            yield Found(f"(-{_bracketed(node, text)})", "the sign", 0.55 if _is_value(node, role) else 0.7)


def _is_value(node: ast.expr, role: Standing) -> bool:
    """What is assigned or returned, alone or as one of several."""
    if role.place == "values" and isinstance(role.parent, ast.Dict):
        return True
    if role.place == "elts" and isinstance(role.parent, ast.Tuple):
        return _loaded(node)
    return role.place == "value" and isinstance(role.parent, (ast.Assign, ast.AugAssign, ast.Return, ast.DictComp))


def numbers(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool) or value is None:
        for one in (True, False, 0, 1, None):
            yield Found(repr(one), "a setting", 0.6)
    elif isinstance(value, (int, float)):
        index = role.place in ("slice", "value") and isinstance(role.parent, (ast.Subscript, ast.keyword))
        near = [0, 1, 2, 3, -1] if index else [0, 1, 2, -1, value + 1, value - 1, 0.5, 4, 0.01, 10, 100, 1000, 1.2]
        for number in near:
            yield Found(repr(number), "a number", 0.5 if number in (0, 1, 2) else 0.6)
        for name in scope.names:
            yield Found(name, "a number where a name belongs", 0.65 if name in scope.sizes or len(name) == 1 else 0.8)


def texts(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    """Keys such as "dW1", and names of activations."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return
    if node.value in ACTIVATIONS:
        for name in ACTIVATIONS:
            yield Found(repr(name), "another activation", 0.5)
    if (found := QUANTITY.fullmatch(node.value)) is None:
        return
    for name in scope.names if not found[2] else ():
        for index in (name, f"{name} + 1"):
            yield Found(f"({text.of(node)} + str({index}))", "a key without its layer", 0.7)
    letter, layer = found.groups()
    for other in ("W", "b", "Z", "A", "dW", "db", "dZ", "dA", "w", "dw"):
        yield Found(repr(other + layer), "another key", 0.5)
    for number in "1230" if layer else ():
        yield Found(repr(letter + number), "another key", 0.5)
        yield from (Found(repr(other + number), "another key", 0.8) for other in ("W", "b", "Z", "A", "dW", "db"))


def prefixes(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    """grads[str(l)] for grads["dW" + str(l)]."""
    if isinstance(node, ast.Call) and text.of(node.func) == "str":
        for letter in ("W", "b", "dW", "db", "dA", "A", "Z"):
            yield Found(f"{letter!r} + {text.of(node)}", "a key without its letter", 0.6)


def transposes(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield Found(text.of(node.value), "a transpose", 0.5)
    elif isinstance(node, (ast.Name, ast.Subscript, ast.Call, ast.BinOp)) and _loaded(node) and role.place != "func":
        if role.place in ("args", "left", "right") or _is_value(node, role):
            if not (isinstance(role.parent, ast.Attribute) and role.parent.attr == "T"):
                yield Found(f"{_bracketed(node, text)}.T", "a transpose", 0.6)


def indices(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    """One more or one less: in range(...), in an index, in str(l + 1)."""
    called = text.of(role.parent.func) if isinstance(role.parent, ast.Call) else ""
    counted = called in ("range", "str", "reversed") or role.place == "slice" or called.endswith("arange")
    if counted and isinstance(node, (ast.Name, ast.BinOp, ast.Call)) and role.place != "func":
        for step in ("+ 1", "- 1"):
            yield Found(f"{text.of(node)} {step}", "an index", 0.6)
    if called == "range" and role.place == "args" and isinstance(role.parent, ast.Call) and len(role.parent.args) == 1:
        yield Found(f"1, {text.of(node)}", "where a range begins", 0.7)


def calls(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    """Arguments swapped, one left out, axis and keepdims, the function left out altogether."""
    if not isinstance(node, ast.Call):
        return
    function = text.of(node.func)
    given = [text.of(one) for one in node.args]
    named = {str(one.arg): text.of(one.value) for one in node.keywords}

    def written(arguments: Sequence[str], keywords: dict[str, str]) -> str:
        return f"{function}({', '.join([*arguments, *(f'{name}={value}' for name, value in keywords.items())])})"

    for i in range(len(given)):
        for j in range(i + 1, len(given)):
            swapped = [*given]
            swapped[i], swapped[j] = given[j], given[i]
            yield Found(written(swapped, named), "the order of arguments", 0.5)
        if len(given) > 1:
            yield Found(given[i] if function.startswith("np.") else written(given[:i] + given[i + 1:], named),
                        "something too many", 0.7)
    if len(given) == 1:
        yield Found(f"({given[0]})", "a function too many", 0.6)
    for name in named:
        yield Found(written(given, {key: value for key, value in named.items() if key != name}),
                    f"{name}", 0.55)
    if re.search(r"\b(sum|mean|max|min)$", function):
        for axis in ("0", "1"):
            for keep in ({}, {"keepdims": "True"}):
                yield Found(written(given[:1], {**named, "axis": axis, **keep}), "axis or keepdims", 0.6)
        yield Found(written(given, {**named, "keepdims": "True"}), "keepdims", 0.5)
        yield Found(written(given[:1], {}), "axis or keepdims", 0.7)
    if function.endswith(("randn", "rand", "zeros", "ones")) and len(node.args) == 1 and isinstance(
            node.args[0], ast.Tuple):
        inner = [text.of(one) for one in node.args[0].elts]
        yield Found(written(inner, named), "the arguments of a function", 0.5)
        yield Found(written([f"({inner[-1]}, {inner[0]})"], named), "the order of sizes", 0.5)
    elif function.endswith(("zeros", "ones")) and len(given) == 1:
        yield Found(written([f"({given[0]}, 1)"], named), "a size is missing", 0.5)
    elif function.endswith(("zeros", "ones")) and len(given) == 2:
        yield Found(written([f"({', '.join(given)})"], named), "the arguments of a function", 0.5)


def tuples(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    """Two of several in the other order."""
    if isinstance(node, ast.Tuple) and len(node.elts) > 1:
        given = [text.of(one) for one in node.elts]
        for i in range(len(given)):
            for j in range(i + 1, len(given)):
                swapped = [*given]
                swapped[i], swapped[j] = given[j], given[i]
                yield Found(f"({', '.join(swapped)})", "the order of results", 0.6)


def comparisons(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS:
        left, right = text.of(node.left), text.of(node.comparators[0])
        for sign in COMPARISONS.values():
            yield Found(f"({left} {sign} {right})", "a comparison", 0.5)


def functions_missing(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    if isinstance(node, (ast.Name, ast.BinOp, ast.UnaryOp, ast.Call, ast.Subscript)) and _loaded(node):
        inside = role.place in ("args", "left", "right", "operand", "value") or _is_value(node, role)
        if not inside or role.place == "func" or isinstance(role.parent, (ast.Attribute, ast.Subscript, ast.keyword)):
            return
        for name in (*scope.functions, "np.sum", "np.exp", "np.log", "np.tanh", "np.sqrt"):
            yield Found(f"{name}({text.of(node)})", "a function is missing", 0.75)
        yield Found(f"(1 / {_bracketed(node, text)})", "1 / ... is missing", 0.75)


def factors(node: ast.expr, role: Standing, text: _Text, scope: Scope) -> Iterator[Found]:
    """A factor or a term is missing."""
    if not (_is_value(node, role) or role.place in ("left", "right")) or not _loaded(node) or isinstance(
            node, (ast.Tuple, ast.Dict, ast.Constant)):
        return
    own = _bracketed(node, text)
    value = _is_value(node, role)
    for size in scope.sizes:
        yield Found(f"({own} / {size})", "a factor is missing", 0.55 if value else 0.7)
        yield Found(f"({own} * {size})", "a factor is missing", 0.6 if value else 0.7)
    for number in ("2", "0.5", "0.01") if value else ():
        yield Found(f"({own} * {number})", "a factor is missing", 0.65)
    for name in scope.names:
        for sign in "+-*":
            yield Found(f"({own} {sign} {name})", "something is missing", 0.85 if value else 0.95)
        for form in SLOPES if value else ():
            yield Found(f"({own} * {form.format(name)})", "a factor is missing", 0.9)
    for first, second in itertools.combinations(scope.names, 2) if value else ():
        yield Found(f"({own} * {first} * {second})", "two factors are missing", 0.97)
    if isinstance(node, (ast.Name, ast.Subscript)):
        yield Found(f"(1 - {own})", "1 - ... is missing", 0.75)
        yield Found(f"({own} ** 2)", "a square is missing", 0.75)


CHANGES: list[Change] = [other_name, other_function, operators, signs, numbers, texts, prefixes, transposes, indices,
                         calls, tuples, comparisons, functions_missing, factors]

# --------------------------------------------------------------------------------------------------- lines


def of_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, text: _Text) -> Iterator[Edit]:
    """A line into or out of the loop, two lines in the other order, a line too many, a result that is thrown away."""
    for body, owner in _bodies(function):
        for place, statement in enumerate(body):
            start, end = text.line_span(statement, statement)
            own = text.bytes[start:end]
            if len(body) > 1 and not isinstance(statement, ast.Return):
                indent = own[:len(own) - len(own.lstrip())]
                yield Edit(statement.lineno, ((start, end, indent + b"pass\n"),), "a line too many",
                           f"without the line {_short(own.decode())}", 0.8)
            if place + 1 < len(body):
                yield from _with_next(statement, body[place + 1], text)
            if isinstance(statement, ast.AugAssign):
                yield from _augmented(statement, text)
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and statement.value.args:
                target = text.of(statement.value.args[0])
                if target.isidentifier():
                    begin, _ = text.span(statement)
                    yield Edit(statement.lineno, ((begin, begin, f"{target} = ".encode()),),
                               "a result is thrown away", f"{target} = ... in front", 0.4)
        if isinstance(owner, (ast.For, ast.While, ast.If)):
            yield from _out_of(owner, body, text)
        if isinstance(owner, ast.For) and isinstance(owner.target, ast.Name):
            yield from _elements(function, owner, owner.target.id, text)


def _elements(function: ast.AST, loop: ast.For, index: str, text: _Text) -> Iterator[Edit]:
    """An array that a loop overwrites as a whole, where one of its elements is meant."""
    stored: dict[str, list[ast.Name]] = {}
    for node in ast.walk(loop):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            stored.setdefault(node.targets[0].id, []).append(node.targets[0])
    before = {target.id for node in ast.walk(function) if isinstance(node, ast.Assign) and node.lineno < loop.lineno
              for target in node.targets if isinstance(target, ast.Name)}
    for name, targets in stored.items():
        for element in (f"{name}[0, {index}]", f"{name}[{index}]", f"{name}[:, {index}]") if name in before else ():
            yield Edit(targets[0].lineno, tuple((*text.span(one), element.encode()) for one in targets),
                       "the whole array is overwritten where one element is meant",
                       f"{element} in place of {name}", 0.4)


def _bodies(function: ast.AST) -> Iterator[tuple[list[ast.stmt], ast.AST]]:
    for node in ast.walk(function):
        for name in ("body", "orelse"):
            body = getattr(node, name, None)
            if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
                yield body, node


def _augmented(statement: ast.AugAssign, text: _Text) -> Iterator[Edit]:
    target, value = text.of(statement.target), text.of(statement.value)
    for sign in ("+=", "-=", "*=", "/=", "="):
        yield Edit(statement.lineno, ((*text.span(statement), f"{target} {sign} {value}".encode()),), "an operator",
                   f"{sign} in place of {OPERATORS.get(type(statement.op), '?')}=", 0.5)


def _with_next(statement: ast.stmt, following: ast.stmt, text: _Text) -> Iterator[Edit]:
    """Two lines swapped, the line moved into the loop that follows, or the next one into the loop before it."""
    (start, middle), (begin, end) = text.line_span(statement, statement), text.line_span(following, following)
    first, second = text.bytes[start:middle], text.bytes[begin:end]
    between = text.bytes[middle:begin]
    if not second.endswith(b"\n"):
        second += b"\n"
    if not isinstance(following, ast.Return):
        yield Edit(following.lineno, ((start, end, second + between + first),), "the order of lines",
                   "this line before the one above it", 0.7)
    if isinstance(following, ast.For) and isinstance(statement, (ast.Assign, ast.AugAssign, ast.Expr)):
        inner = following.body[0]
        at = text.starts[inner.lineno - 1]
        moved = _indented(first, inner.col_offset - statement.col_offset)
        yield Edit(statement.lineno, ((start, middle, b""), (at, at, moved)), "a line that belongs into the loop",
                   "this line as the first one inside the loop below it", 0.6)
    if isinstance(statement, (ast.For, ast.If)) and isinstance(following, (ast.Assign, ast.AugAssign, ast.Expr)):
        moved = _indented(second, statement.body[-1].col_offset - following.col_offset)
        yield Edit(following.lineno, ((begin, end, moved),), "a line that belongs into the loop",
                   "this line as the last one inside the loop above it", 0.6)


def _out_of(owner: ast.For | ast.While | ast.If, body: list[ast.stmt], text: _Text) -> Iterator[Edit]:
    """The last line of a loop behind it; the first one in front of it."""
    if len(body) < 2:
        return
    step = owner.col_offset - body[0].col_offset
    for last in range(len(body) - 1, max(0, len(body) - 3), -1):
        start, end = text.line_span(body[last], body[-1])
        what = "return" if isinstance(body[last], ast.Return) else "this line"
        yield Edit(body[last].lineno, ((start, end, _indented(text.bytes[start:end], step)),),
                   "a line that belongs behind the loop" if not isinstance(owner, ast.If) else
                   "a line that belongs behind the if", f"{what} one level further out", 0.45)
    start, end = text.line_span(body[0], body[0])
    at = text.starts[owner.lineno - 1]
    yield Edit(body[0].lineno, ((start, end, b""), (at, at, _indented(text.bytes[start:end], step))),
               "a line that belongs before the loop", "this line in front of the loop", 0.6)


def _indented(lines: bytes, by: int) -> bytes:
    if not lines.endswith(b"\n"):
        lines += b"\n"
    if by >= 0:
        return b"".join(b" " * by + line for line in lines.splitlines(keepends=True))
    return b"".join(line[min(-by, len(line) - len(line.lstrip(b" "))):] for line in lines.splitlines(keepends=True))
