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
# # Week 2: logistic regression, cats and other pictures
#
# One unit that looks at every pixel: $\hat y = \sigma(w^T x + b)$. Its gradient is short enough to be written by hand,
# so it can be held against the one that autodiff finds.

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
from tinygrad_course.equations import derive
from tinygrad_course.models import LogisticRegression
from tinygrad_course.visualize import draw_graph, plots

# %% [markdown]
# ## The pictures
#
# The course's images, where they are there (`tgc data fetch`, or their folder in the variable `TGC_DATA`); else
# stand-ins that the package draws.

# %%
try:
    images = data.load_images()
except FileNotFoundError:
    images = data.stand_in()
images

# %%
X, Y = images.X_train, images.Y_train
X.shape, Y.shape

# %% [markdown]
# Each picture is one column of numbers between 0 and 1: red, green and blue of every pixel.

# %% [markdown]
# ## The model and its graph

# %%
model = LogisticRegression(X.shape[0])
draw_graph(model, X, Y)

# %% [markdown]
# The equations, read off that graph and its backward pass:

# %%
derive(model)

# %% [markdown]
# ## Exercise: forward and backward by hand

# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))

# %% tags=["exercise"]
# %%check
def propagate(w, b, X, Y):
    m = X.shape[1]
    A = None                               # <- your line
    cost = None                            # <- your line
    dw = None                              # <- your line
    db = None                              # <- your line
    return {"dw": dw, "db": db}, cost

# %% [markdown]
# <details><summary>Hint</summary>The equations above are the program, line by line: `Z = w^T X + b` is
# `np.dot(w.T, X) + b`.</details>
#
# <details><summary>Answer (after a try)</summary>
#
# ```python
# def propagate(w, b, X, Y):
#     m = X.shape[1]
#     A = sigmoid(np.dot(w.T, X) + b)
#     cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
#     dw = np.dot(X, (A - Y).T) / m
#     db = np.sum(A - Y) / m
#     return {"dw": dw, "db": db}, cost
# ```
# </details>

# %% [markdown]
# ## Autodiff, closed form, differences

# %%
compare_gradients(model, X[:, :50], Y[:, :50])

# %% [markdown]
# ## Training

# %%
history = fit(model, X, Y, iterations=2000, learning_rate=0.005, print_cost=500)
print(f"train accuracy: {100 * accuracy(model, X, Y):.2f} %")
print(f"test accuracy: {100 * accuracy(model, images.X_test, images.Y_test):.2f} %")

# %% [markdown]
# What the one unit looks for:

# %%
plots.plot_weights(model, num_px=images.num_px)

# %% [markdown]
# And where it is wrong:

# %%
plots.plot_mislabelled(model, images, most=2)

# %% [markdown]
# ## Several learning rates

# %%
runs = {}
for rate in (0.01, 0.001, 0.0001):
    runs[str(rate)] = fit(LogisticRegression(X.shape[0]), X, Y, iterations=1500, learning_rate=rate)
plots.plot_costs(runs)
