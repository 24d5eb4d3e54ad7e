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
# # Week 3: one hidden layer, a flower and four other sets
#
# Logistic regression draws a straight line through the plane. A hidden layer bends it.

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

from tinygrad_course import accuracy, data, fit
from tinygrad_course.compare import compare_gradients
from tinygrad_course.equations import explain_backward
from tinygrad_course.models import LogisticRegression, PlanarClassifier
from tinygrad_course.visualize import draw_graph, draw_network, plots

# %%
X, Y = data.planar("flower")
line = LogisticRegression(2)
_ = fit(line, X, Y, iterations=500, learning_rate=0.1)
plots.plot_decision_boundary(line, X, Y)

# %% [markdown]
# ## The network and the graph of its cost

# %%
np.random.seed(2)
model = PlanarClassifier(n_h=4)
draw_network(model)

# %%
draw_graph(model.cost(X, Y), backward=True)

# %% [markdown]
# ## Exercise: the forward pass

# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))

# %% tags=["exercise"]
# %%check
def forward_propagation(X, parameters):
    W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
    Z1 = None                              # <- your line
    A1 = None                              # <- your line
    Z2 = None                              # <- your line
    A2 = None                              # <- your line
    cache = {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}
    return A2, cache

# %% [markdown]
# <details><summary>Hint</summary>`W1` is `(n_h, n_x)`, so it stands left of `X`. The hidden units are `np.tanh`, the
# output is `sigmoid`.</details>
#
# <details><summary>Answer (after a try)</summary>
#
# ```python
# def forward_propagation(X, parameters):
#     W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
#     Z1 = np.dot(W1, X) + b1
#     A1 = np.tanh(Z1)
#     Z2 = np.dot(W2, A1) + b2
#     A2 = sigmoid(Z2)
#     cache = {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}
#     return A2, cache
# ```
# </details>

# %% [markdown]
# ## Exercise: the backward pass
#
# Six equations, from the cost back to `W1`.

# %% tags=["exercise"]
# %%check
def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    W2, A1, A2 = parameters["W2"], cache["A1"], cache["A2"]
    dZ2 = None                             # <- your line
    dW2 = None                             # <- your line
    db2 = None                             # <- your line
    dZ1 = None                             # <- your line
    dW1 = None                             # <- your line
    db1 = None                             # <- your line
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}

# %% [markdown]
# <details><summary>Hint</summary>The derivative of `tanh(Z1)` is `1 - A1 ** 2`, element by element.</details>
#
# <details><summary>Answer (after a try)</summary>
#
# ```python
# def backward_propagation(parameters, cache, X, Y):
#     m = X.shape[1]
#     W2, A1, A2 = parameters["W2"], cache["A1"], cache["A2"]
#     dZ2 = A2 - Y
#     dW2 = np.dot(dZ2, A1.T) / m
#     db2 = np.sum(dZ2, axis=1, keepdims=True) / m
#     dZ1 = np.dot(W2.T, dZ2) * (1 - np.power(A1, 2))
#     dW1 = np.dot(dZ1, X.T) / m
#     db1 = np.sum(dZ1, axis=1, keepdims=True) / m
#     return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
# ```
# </details>

# %% [markdown]
# The same pass in words, with the numbers of this model:

# %%
explain_backward(model.cost(X, Y))

# %%
compare_gradients(model, X, Y)

# %% [markdown]
# ## Training

# %%
history = fit(model, X, Y, iterations=10000, learning_rate=1.2, print_cost=2000)
print(f"accuracy: {accuracy(model, X, Y):.3f}")

# %%
plots.plot_decision_boundary(model, X, Y)

# %% [markdown]
# ## How many units?

# %%
for n_h in (1, 2, 5):
    np.random.seed(3)
    other = PlanarClassifier(n_h=n_h)
    fit(other, X, Y, iterations=5000, learning_rate=1.2)
    print(f"{n_h} units: accuracy {accuracy(other, X, Y):.3f}")
    plots.plot_decision_boundary(other, X, Y).show()

# %% [markdown]
# ## The other four sets

# %%
for kind in ("noisy_circles", "noisy_moons", "blobs", "gaussian_quantiles"):
    X, Y = data.planar(kind)
    np.random.seed(3)
    other = PlanarClassifier(n_h=5)
    fit(other, X, Y, iterations=5000, learning_rate=1.2)
    print(f"{kind}: accuracy {accuracy(other, X, Y):.3f}")
    plots.plot_decision_boundary(other, X, Y).show()
