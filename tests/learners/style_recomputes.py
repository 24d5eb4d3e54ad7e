"""The backward pass computes the forward pass again, from the parameters and X, and ignores the cache."""
import numpy as np
from planar_utils import sigmoid


def backward_propagation(parameters, cache, X, Y):
    A1 = np.tanh(parameters["W1"] @ X + parameters["b1"])
    A2 = sigmoid(parameters["W2"] @ A1 + parameters["b2"])
    dZ2 = A2 - Y
    dZ1 = (parameters["W2"].T @ dZ2) * (1 - A1 * A1)
    mean = np.ones((X.shape[1], 1)) / X.shape[1]
    return {"dW1": dZ1 @ (X.T * mean), "db1": dZ1 @ mean, "dW2": dZ2 @ (A1.T * mean), "db2": dZ2 @ mean}
