"""What the course's networks have in common."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinygrad_course.nn import Linear, Module, binary_cross_entropy, course_names
from tinygrad_course.tensor import Tensor


class Layered(Module):
    """Linear layers 1, 2, ... in a list, with the parameters W1, b1, W2, ...; sigmoid outputs for labels 0 and 1."""

    binary_labels = True
    layers: list[Linear]

    def cost(self, X: Any, Y: Any) -> Tensor:
        return binary_cross_entropy(self(X), Y)

    def contents(self) -> Iterator[tuple[str, Tensor]]:
        return course_names(self.layers)
