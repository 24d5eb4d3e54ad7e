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
# # Week 4: the application, cat or not
#
# Two networks on the same pictures: one hidden layer, and three. Both train in well under a second here, so trying
# something costs nothing.

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
from tinygrad_course.models import DeepNetwork, TwoLayerNetwork
from tinygrad_course.visualize import draw_network, plots

# %%
try:
    images = data.load_images()
except FileNotFoundError:
    images = data.stand_in()
X, Y = images.X_train, images.Y_train
images

# %% [markdown]
# ## Two layers

# %%
np.random.seed(1)
two = TwoLayerNetwork(X.shape[0], 7, 1)
history_two = fit(two, X, Y, iterations=2500, learning_rate=0.0075, print_cost=500)
print(f"train {100 * accuracy(two, X, Y):.1f} %, test {100 * accuracy(two, images.X_test, images.Y_test):.1f} %")

# %% [markdown]
# ## Four layers

# %%
np.random.seed(1)
four = DeepNetwork([X.shape[0], 20, 7, 5, 1])
draw_network(four, "simplified")

# %%
history_four = fit(four, X, Y, iterations=2500, learning_rate=0.0075, print_cost=500)
print(f"train {100 * accuracy(four, X, Y):.1f} %, test {100 * accuracy(four, images.X_test, images.Y_test):.1f} %")

# %%
plots.plot_costs({"two layers": history_two, "four layers": history_four})

# %% [markdown]
# Why was that so fast?

# %%
print(history_four.engine, history_four.why, sep=": ")

# %% [markdown]
# ## Mislabelled pictures

# %%
plots.plot_mislabelled(four, images, most=2)

# %% [markdown]
# ## Your own picture
#
# Put its path here. Any size will do; it is cut to a square and made smaller.

# %%
MY_PICTURE = None                          # <- for instance "my_cat.jpg"
if MY_PICTURE is not None:
    plots.plot_picture(four, MY_PICTURE, classes=images.classes, num_px=images.num_px).show()

# %% [markdown]
# ## Exercise: one hidden layer, backwards
#
# The step that both networks repeat.

# %% tags=["exercise"]
# %%check
def linear_backward(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    dW = np.dot(dZ, A_prev.T)              # <- something is missing here
    db = np.sum(dZ, axis=1) / m            # <- and something is lost here
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db

# %% [markdown]
# <details><summary>Hint</summary>Read what the check says about each of the two lines.</details>
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
