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
# # Week 4: a deep network, step by step
#
# Each layer is the same two lines, forwards and backwards: a linear step and an activation. What is new is that they
# are written once and used L times.

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

from tinygrad_course import nn
from tinygrad_course.compare import compare_gradients
from tinygrad_course.equations import derive
from tinygrad_course.models import DeepNetwork
from tinygrad_course.visualize import draw_graph, draw_network

# %%
np.random.seed(1)
model = DeepNetwork([5, 4, 3, 1])
nn.summary(model, m=10)

# %%
draw_network(model)

# %% [markdown]
# ## Exercise: initial values for any number of layers

# %% tags=["exercise"]
# %%check
def initialize_parameters_deep(layer_dims):
    np.random.seed(3)
    parameters = {}
    for l in range(1, len(layer_dims)):
        parameters["W" + str(l)] = None    # <- your line
        parameters["b" + str(l)] = None    # <- your line
    return parameters

# %% [markdown]
# <details><summary>Hint</summary>`W` of layer l is `(n[l], n[l-1])`; the course multiplies `randn` by 0.01 in this
# exercise. `b` is a column of zeros.</details>
#
# <details><summary>Answer (after a try)</summary>
#
# ```python
# def initialize_parameters_deep(layer_dims):
#     np.random.seed(3)
#     parameters = {}
#     for l in range(1, len(layer_dims)):
#         parameters["W" + str(l)] = np.random.randn(layer_dims[l], layer_dims[l - 1]) * 0.01
#         parameters["b" + str(l)] = np.zeros((layer_dims[l], 1))
#     return parameters
# ```
# </details>

# %% [markdown]
# ## Exercise: the linear step

# %% tags=["exercise"]
# %%check
def linear_forward(A, W, b):
    Z = None                               # <- your line
    cache = (A, W, b)
    return Z, cache

# %% [markdown]
# <details><summary>Hint</summary>The same line as in week 3, with `A` in place of `X`.</details>
#
# <details><summary>Answer (after a try)</summary>
#
# ```python
# def linear_forward(A, W, b):
#     Z = np.dot(W, A) + b
#     cache = (A, W, b)
#     return Z, cache
# ```
# </details>

# %% [markdown]
# ## Exercise: the linear step backwards

# %% tags=["exercise"]
# %%check
def linear_backward(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    dW = None                              # <- your line
    db = None                              # <- your line
    dA_prev = None                         # <- your line
    return dA_prev, dW, db

# %% [markdown]
# <details><summary>Hint</summary>Every gradient has the shape of what it belongs to: `dW` that of `W`, `dA_prev` that
# of `A_prev`. Only one order of the factors fits.</details>
#
# <details><summary>Answer (after a try)</summary>
#
# ```python
# def linear_backward(dZ, cache):
#     A_prev, W, b = cache
#     m = A_prev.shape[1]
#     dW = np.dot(dZ, A_prev.T) / m
#     db = np.sum(dZ, axis=1, keepdims=True) / m
#     dA_prev = np.dot(W.T, dZ)
#     return dA_prev, dW, db
# ```
# </details>

# %% [markdown]
# ## Exercise: relu backwards

# %% tags=["exercise"]
# %%check
def relu_backward(dA, cache):
    Z = cache
    dZ = None                              # <- your line
    return dZ

# %% [markdown]
# <details><summary>Hint</summary>Where `Z` was negative, relu gave 0 whatever `Z` was: nothing flows back there. Do not
# change `dA` itself.</details>
#
# <details><summary>Answer (after a try)</summary>
#
# ```python
# def relu_backward(dA, cache):
#     Z = cache
#     dZ = np.array(dA, copy=True)
#     dZ[Z <= 0] = 0
#     return dZ
# ```
# </details>

# %% [markdown]
# ## What autodiff makes of it
#
# Nobody wrote a backward pass for this network:

# %%
X, Y = np.random.randn(5, 10), np.random.randint(0, 2, (1, 10))
draw_graph(model, X, Y)

# %%
derive(model)

# %%
compare_gradients(model, X, Y)
