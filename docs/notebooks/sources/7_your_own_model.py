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
# # Your own model
#
# Three classes in place of two, layers of your choice, another optimiser; drawn, trained, saved and loaded.

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
import tempfile
from pathlib import Path

import numpy as np

from tinygrad_course import accuracy, checkpoint, fit, nn, optim
from tinygrad_course.visualize import draw_graph, draw_network, plots

# %% [markdown]
# ## Three arms of a spiral
#
# One column for each point, and one-hot labels: a column with a 1 in the row of its class.

# %%
np.random.seed(0)
m, classes = 300, 3
label = np.arange(m) % classes
radius = np.linspace(0.1, 1, m)
angle = 4 * radius + 2 * np.pi / classes * label + 0.2 * np.random.randn(m)
X = np.vstack([radius * np.sin(angle), radius * np.cos(angle)])
Y = (label == np.arange(classes).reshape(-1, 1)).astype(float)
X.shape, Y.shape

# %% [markdown]
# ## A Module

# %%
class SpiralNetwork(nn.Module):
    def __init__(self, n_h):
        self.hidden = nn.Linear(2, n_h, nn.he)
        self.output = nn.Linear(n_h, classes, nn.xavier)

    def forward(self, X):
        return nn.softmax(self.output(nn.relu(self.hidden(X))))

    def cost(self, X, Y):
        return nn.cross_entropy(self(X), Y)


model = SpiralNetwork(32)
draw_graph(model, X, Y)

# %%
draw_network(model, "simplified")

# %% [markdown]
# ## Training in mini-batches

# %%
history = fit(model, X, Y, iterations=2000, optimizer=optim.Adam(0.01), batch_size=64)
print(f"accuracy: {accuracy(model, X, Y):.3f}")
plots.plot_decision_boundary(model, X, Y)

# %% [markdown]
# ## Saving and loading

# %%
file = Path(tempfile.mkdtemp()) / "spiral.h5"
checkpoint.save(file, model, history=history)
other = SpiralNetwork(32)
_ = checkpoint.load_into(file, other)
accuracy(other, X, Y) == accuracy(model, X, Y)

# %% [markdown]
# ## Exercise: the cost of three classes
#
# `AL` is `(3, m)`, its columns add up to 1; `Y` is one-hot. The course's cost for two classes has two terms for each
# example. How many has this one?

# %%
def cross_entropy(AL, Y):
    return -np.sum(Y * np.log(AL)) / Y.shape[1]


np.isclose(cross_entropy(model(X).data, Y), model.cost(X, Y).item())
