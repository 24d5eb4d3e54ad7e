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
# # Week 2: broadcasting and vectorisation
#
# A loop over the examples and a loop over the features is how a formula with sums is read, and the slowest way to
# compute it. NumPy computes whole arrays at once; where their shapes differ, it *broadcasts*. This notebook makes that
# rule visible, and what it means for gradients.

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
import numpy as np

from tinygrad_course import Tensor
from tinygrad_course.broadcasting import explain_broadcast
from tinygrad_course.visualize import draw_graph, plots

# %% [markdown]
# ## One product in place of a loop
#
# `W` holds the weights of three units, one row each; `X` four examples, one column each.

# %%
np.random.seed(1)
W, X, b = np.random.randn(3, 2), np.random.randn(2, 4), np.random.randn(3, 1)

Z = np.zeros((3, 4))
for unit in range(3):
    for example in range(4):
        for feature in range(2):
            Z[unit, example] += W[unit, feature] * X[feature, example]
        Z[unit, example] += b[unit, 0]

np.allclose(Z, W @ X + b)

# %% [markdown]
# ## The Broadcasting Rule
#
# Shapes are compared from the last axis: two sizes fit if they are equal, or if one of them is 1, or missing. Then the
# smaller array is stretched.

# %%
print(explain_broadcast((3, 4), (3, 1)))

# %%
plots.plot_broadcasting((3, 1), (4,))

# %% [markdown]
# Where they do not fit, the same figure shows what is in the way:

# %%
plots.plot_broadcasting((3, 4), (3,))

# %% [markdown]
# ## The gradient of something that was stretched
#
# `b` is one column, but it is used in all four examples. Each use contributes to its gradient, so they add up.

# %%
weights = Tensor(W, requires_grad=True, name="W")
bias = Tensor(b, requires_grad=True, name="b")
total = (weights @ X + bias).sum()
total.backward()
bias.grad

# %% [markdown]
# Four, because each of the four columns used it once. The graph says where the stretching happened:

# %%
draw_graph(total)

# %% [markdown]
# ## Exercise: the sigmoid of a whole array
#
# Write the sigmoid with NumPy, for numbers and arrays alike, without a loop.

# %% tags=["exercise"]
# %%check
def sigmoid(z):
    s = None                               # <- your line
    return s

# %% [markdown]
# <details><summary>Hint</summary>`np.exp(-z)` works for arrays of any shape.</details>
#
# <details><summary>Answer (after a try)</summary>
#
# ```python
# def sigmoid(z):
#     s = 1 / (1 + np.exp(-z))
#     return s
# ```
# </details>

# %% [markdown]
# ## Exercise: a step of gradient descent, without a loop over the examples
#
# For logistic regression, `w` is `(n_x, 1)`, `X` is `(n_x, m)` and `Y` is `(1, m)`. Compute the cost and the gradients.

# %% tags=["exercise"]
# %%check
def propagate(w, b, X, Y):
    m = X.shape[1]
    A = sigmoid(np.dot(w.T, X) + b)
    cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    dw = None                              # <- your line
    db = None                              # <- your line
    return {"dw": dw, "db": db}, np.squeeze(cost)

# %% [markdown]
# <details><summary>Hint</summary>`A - Y` is `(1, m)`; `dw` has the shape of `w`. Which product of `X` and `A - Y` has
# that shape?</details>
#
# <details><summary>Answer (after a try)</summary>
#
# ```python
# def propagate(w, b, X, Y):
#     m = X.shape[1]
#     A = sigmoid(np.dot(w.T, X) + b)
#     cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
#     dw = 1 / m * np.dot(X, (A - Y).T)
#     db = 1 / m * np.sum(A - Y)
#     return {"dw": dw, "db": db}, np.squeeze(cost)
# ```
# </details>
