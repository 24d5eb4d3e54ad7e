"""What a source shows by itself: where a quantity is computed, and what in a loop does not follow the loop."""
from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from tinygrad_course.checking.report import Explained

BACKWARD = re.compile(r"\w*backward\w*")


def line_of(source: str, quantity: str) -> int:
    """The last line that assigns a quantity, by its name or as a key, or the only `return`; 0 for none."""
    try:
        function = ast.parse(source).body[0]
    except (SyntaxError, IndexError):
        return 0
    plain = quantity.lower().replace("_", "").split(" ")[-1]
    found = 0
    for node in ast.walk(function):
        if isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {name for target in targets for name in _names(target)}
            if plain in names or plain.rstrip("0123456789") in names and plain[-1:].isdigit():
                found = max(found, node.lineno)
        elif isinstance(node, ast.Dict):
            for key in node.keys:
                if isinstance(key, ast.Constant) and str(key.value).lower() == plain and not found:
                    found = key.lineno
    returns = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
    return found or (returns[0].lineno if len(returns) == 1 and not isinstance(returns[0].value, ast.Name) else 0)


def _names(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id.lower().replace("_", "")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.lower()


def loop_mistakes(source: str) -> list[Explained]:
    """In a loop over the layers: the same cache, the same dA or the sigmoid's derivative in every layer."""
    try:
        function = ast.parse(source).body[0]
    except (SyntaxError, IndexError):
        return []
    found: list[Explained] = []
    for loop in (node for node in ast.walk(function) if isinstance(node, ast.For)):
        indices = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
        # What follows the loop: its index, and everything that is assigned in it.
        moving = indices | {node.id for node in ast.walk(loop) if isinstance(node, ast.Name)
                            and isinstance(node.ctx, ast.Store)}
        lines = source.splitlines()
        for one in _fixed(loop, moving):
            one.code = lines[one.line - 1].strip()
            if (one.quantity, one.mistake) not in [(other.quantity, other.mistake) for other in found]:
                found.append(one)
    return found


def _fixed(loop: ast.For, moving: set[str]) -> Iterator[Explained]:
    for node in ast.walk(loop):
        if not isinstance(node, ast.Call) or not BACKWARD.fullmatch(_called(node)):
            continue
        for place, argument in enumerate(node.args):
            used = {inner.id for inner in ast.walk(argument) if isinstance(inner, ast.Name)}
            text = ast.unparse(argument)
            if isinstance(argument, (ast.Call, ast.Constant)) or used & moving - {"grads", "g"}:
                continue
            if isinstance(argument, ast.Subscript) and "cache" in text:
                yield Explained(text, "the same cache in every layer", "each layer has a cache of its own: its index "
                                "is the loop's", line=node.lineno)
            elif place == 0:
                yield Explained(text, "the last layer's dA in every layer", "each layer gets the dA that the layer "
                                "behind it gave back: dA goes from layer to layer", line=node.lineno)
        if _called(node) == "sigmoid_backward":
            yield Explained("dZ", "the sigmoid's derivative in every layer", "the layers before the last one have "
                            "relu: relu_backward", line=node.lineno)


def unused_arguments(source: str) -> list[Explained]:
    """Arguments that are not used, where names from outside the function are: a global in place of an argument."""
    try:
        function = ast.parse(source).body[0]
    except (SyntaxError, IndexError):
        return []
    if not isinstance(function, ast.FunctionDef):
        return []
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    own = {one.arg for one in function.args.args} | {one.id for one in names if isinstance(one.ctx, ast.Store)}
    called = {node.func.id for node in ast.walk(function) if isinstance(node, ast.Call)
              and isinstance(node.func, ast.Name)}
    used = [one for one in names if isinstance(one.ctx, ast.Load)]
    outside = [one for one in used if one.id not in own | called | {"np", "math"}]
    unused = [one.arg for one in function.args.args if one.arg not in {name.id for name in used}
              and one.arg not in ("self", "print_cost", "parameters")]
    if not unused or not outside:
        return []
    line = outside[0].lineno
    return [Explained(outside[0].id, "a global name where an argument belongs",
                      f"{', '.join(dict.fromkeys(one.id for one in outside))} is none of the function's own names, and "
                      f"its argument {', '.join(unused)} is not used", line=line,
                      code=source.splitlines()[line - 1].strip())]


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(
        node.func, ast.Attribute) else ""


def located(mistakes: Sequence[Explained], source: str, first: int) -> None:
    """Gives a line to mistakes that have none."""
    lines = source.splitlines()
    for mistake in mistakes:
        if not mistake.line and mistake.quantity and (number := line_of(source, mistake.quantity)):
            mistake.line, mistake.code = first + number - 1, lines[number - 1].strip()
