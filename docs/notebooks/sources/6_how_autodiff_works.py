# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How autodiff works
#
# The engine behind `backward` in forty lines, built here from nothing; then the real one is read. You need NumPy and
# the chain rule.

# %% [markdown]
# *First, the package: found where it is installed, else installed. Change the one line marked below to install it
# from a wheel or an address.*

# %%
SOURCE = "tinygrad_course"                 # <- the name in the package index, a wheel, or an address

from importlib.util import find_spec

if find_spec("tinygrad_course") is None:
    get_ipython().run_line_magic("pip", f"install -q {SOURCE}")
# %load_ext tinygrad_course

# %%
import inspect

import numpy as np

from tinygrad_course import ops
from tinygrad_course.autodiff import gradients, topological_order
from tinygrad_course.broadcasting import unbroadcast
from tinygrad_course.tensor import Tensor, apply
from tinygrad_course.visualize import draw_graph

# %% [markdown]
# ## A number that remembers
#
# Everything that is computed remembers from what, and how a gradient is handed on to it. For `y = f(a, b)` that is the
# *vector-Jacobian product*: from `g`, the derivative of the cost with respect to `y`, to those with respect to `a` and
# `b`.

# %%
class Node:
    def __init__(self, value, parents=(), vjps=()):
        self.value = np.asarray(value, dtype=float)
        self.parents, self.vjps, self.grad = parents, vjps, None

    def __add__(self, other):
        return Node(self.value + other.value, (self, other), (lambda g: g, lambda g: g))

    def __mul__(self, other):
        return Node(self.value * other.value, (self, other), (lambda g: g * other.value, lambda g: g * self.value))

    def __matmul__(self, other):
        return Node(self.value @ other.value, (self, other),
                    (lambda g: g @ other.value.T, lambda g: self.value.T @ g))

    def tanh(self):
        y = np.tanh(self.value)
        return Node(y, (self,), (lambda g: g * (1 - y * y),))

    def sum(self):
        return Node(self.value.sum(), (self,), (lambda g: np.broadcast_to(g, self.value.shape),))

# %% [markdown]
# ## Backwards
#
# A step's turn comes after all steps that used it, for only then is its gradient complete. What was stretched by
# broadcasting gets the sum over its copies.

# %%
def order_of(node, seen):
    """The node and all that it was computed from, each before its parents."""
    if node in seen:
        return []
    seen.add(node)
    return [n for parent in node.parents for n in order_of(parent, seen)] + [node]


def backward(cost):
    cost.grad = np.ones_like(cost.value)
    for node in reversed(order_of(cost, set())):
        for parent, vjp in zip(node.parents, node.vjps):
            part = unbroadcast(vjp(node.grad), parent.value.shape)
            parent.grad = part if parent.grad is None else parent.grad + part

# %% [markdown]
# That is all of it. Held against the real one:

# %%
np.random.seed(0)
W, X, b = np.random.randn(3, 2), np.random.randn(2, 5), np.random.randn(3, 1)

w, x, c = Node(W), Node(X), Node(b)
backward((w @ x + c).tanh().sum())

weights, bias = Tensor(W, requires_grad=True, name="W"), Tensor(b, requires_grad=True, name="b")
J = np.tanh(weights @ X + bias).sum()
J.backward()

np.allclose(w.grad, weights.grad), np.allclose(c.grad, bias.grad)

# %% [markdown]
# ## The real one
#
# An operation is one entry of a table: name, value, notation, and one VJP for each input.

# %%
ops.tanh, ops.multiply, ops.matmul

# %% [markdown]
# Applying one computes the value, and notes where it came from:

# %%
print(inspect.getsource(apply))

# %% [markdown]
# The order, by a loop in place of a recursion, so that the depth of a graph does not matter:

# %%
print(inspect.getsource(topological_order))

# %% [markdown]
# And the backward pass itself:

# %%
print(inspect.getsource(gradients))

# %% [markdown]
# ## A graph of the backward pass
#
# The VJPs are written with operators that Tensors understand too. Run on Tensors, they record the backward pass as a
# graph of its own: it can be drawn, and differentiated once more.

# %%
draw_graph(J, backward=True)

# %% [markdown]
# ## Exercise: one VJP more
#
# `dA` arrives at a sigmoid, `Z` is what it was applied to. What is handed on?

# %% tags=["exercise"]
# %%check
def sigmoid_backward(dA, cache):
    Z = cache
    s = 1 / (1 + np.exp(-Z))
    dZ = None                              # <- your line
    return dZ

# %% [markdown]
# <details><summary>Hint</summary>The derivative of the sigmoid can be written with its value alone.</details>
#
# <details><summary>Answer (after a try)</summary>
#
# ```python
# def sigmoid_backward(dA, cache):
#     Z = cache
#     s = 1 / (1 + np.exp(-Z))
#     dZ = dA * s * (1 - s)
#     return dZ
# ```
# </details>
