"""The derivatives of activations, as they are and as learners write them: one table.

To add a mistake, add an entry to `SLOPES` that says of which activation it is and what its flaw is.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Slope(NamedTuple):
    """One way of writing an activation's derivative, right or wrong.

    of: the activation; "" for what is no derivative of any. flaw: what is wrong with it; "" where it is right.
    """
    of: str
    value: Callable[[Any, Any], Any]
    notation: str
    flaw: str = ""


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _one(A: Any, Z: Any) -> Any:
    return np.ones(np.shape(Z))


SLOPES = {
    "tanh": Slope("tanh", lambda A, Z: 1 - A * A, "(1 - {A}^2)"),
    "tanh of Z": Slope("tanh", lambda A, Z: 1 - np.tanh(Z) ** 2, "(1 - tanh({Z})^2)"),
    "sigmoid": Slope("sigmoid", lambda A, Z: A * (1 - A), "({A} (1 - {A}))"),
    "sigmoid of Z": Slope("sigmoid", lambda A, Z: sigmoid(Z) * (1 - sigmoid(Z)),
                          "(sigmoid({Z}) (1 - sigmoid({Z})))"),
    "relu": Slope("relu", lambda A, Z: (Z > 0) * 1.0, "({Z} > 0)"),
    "relu of A": Slope("relu", lambda A, Z: (A > 0) * 1.0, "({A} > 0)"),
    "identity": Slope("identity", _one, "1"),
    # What learners write in place of 1 - A^2 ...
    "1 - A": Slope("tanh", lambda A, Z: 1 - A, "(1 - {A})", "unsquared"),
    "(1 - A)^2": Slope("tanh", lambda A, Z: (1 - A) ** 2, "(1 - {A})^2", "square in the wrong place"),
    "A^2": Slope("tanh", lambda A, Z: A * A, "{A}^2", "1 - missing"),
    "A^2 - 1": Slope("tanh", lambda A, Z: A * A - 1, "({A}^2 - 1)", "sign"),
    "1 + A^2": Slope("tanh", lambda A, Z: 1 + A * A, "(1 + {A}^2)", "+ for -"),
    "1 - Z^2": Slope("tanh", lambda A, Z: 1 - Z * Z, "(1 - {Z}^2)", "Z for A"),
    "1 - Z": Slope("tanh", lambda A, Z: 1 - Z, "(1 - {Z})", "Z for A, unsquared"),
    "1 - tanh(A)^2": Slope("tanh", lambda A, Z: 1 - np.tanh(A) ** 2, "(1 - tanh({A})^2)",
                           "activation applied twice"),
    "1 - tanh(Z)": Slope("tanh", lambda A, Z: 1 - np.tanh(Z), "(1 - tanh({Z}))", "unsquared"),
    "tanh(Z)": Slope("tanh", lambda A, Z: np.tanh(Z), "tanh({Z})", "activation for its derivative"),
    # ... of A (1 - A) ...
    "Z (1 - Z)": Slope("sigmoid", lambda A, Z: Z * (1 - Z), "({Z} (1 - {Z}))", "Z for A"),
    "s(A) (1 - s(A))": Slope("sigmoid", lambda A, Z: sigmoid(A) * (1 - sigmoid(A)),
                             "(sigmoid({A}) (1 - sigmoid({A})))", "activation applied twice"),
    "s(Z)": Slope("sigmoid", lambda A, Z: sigmoid(Z), "sigmoid({Z})", "activation for its derivative"),
    "A": Slope("", lambda A, Z: A, "{A}", "activation for its derivative"),
    "1 - s(Z)": Slope("sigmoid", lambda A, Z: 1 - sigmoid(Z), "(1 - sigmoid({Z}))", "factor A missing"),
    "s (1 + s)": Slope("sigmoid", lambda A, Z: sigmoid(Z) * (1 + sigmoid(Z)),
                       "(sigmoid({Z}) (1 + sigmoid({Z})))", "+ for -"),
    "s (1 - Z)": Slope("sigmoid", lambda A, Z: sigmoid(Z) * (1 - Z), "(sigmoid({Z}) (1 - {Z}))", "Z for A"),
    # ... and of Z > 0.
    "Z": Slope("", lambda A, Z: Z, "{Z}", "Z for the derivative"),
    "relu(Z)": Slope("relu", lambda A, Z: np.maximum(0, Z), "relu({Z})", "activation for its derivative"),
    "Z < 0": Slope("relu", lambda A, Z: (Z < 0) * 1.0, "({Z} < 0)", "comparison reversed"),
    "Z > 1": Slope("relu", lambda A, Z: (Z > 1) * 1.0, "({Z} > 1)", "compared with the wrong number"),
    "sign(Z)": Slope("relu", lambda A, Z: np.sign(Z), "sign({Z})", "-1 where it should be 0"),
}
