"""einsum, and every formula in one expression."""
import numpy as np


def sigmoid(x):
    return np.reciprocal(1 + np.exp(np.negative(x)))


def propagate(w, b, X, Y):
    A = sigmoid(np.einsum("ij,ik->jk", w, X) + b)
    D = (A - Y) / Y.shape[-1]
    cost = -np.mean(np.where(Y == 1, np.log(A), np.log(1 - A)))
    return {"dw": np.einsum("ik,jk->ij", X, D), "db": np.einsum("ij->", D)}, cost


def forward_propagation(X, parameters):
    p = parameters
    Z1 = np.einsum("ij,jk->ik", p["W1"], X) + p["b1"]
    A1 = np.tanh(Z1)
    Z2 = np.einsum("ij,jk->ik", p["W2"], A1) + p["b2"]
    A2 = sigmoid(Z2)
    return A2, {"A1": A1, "A2": A2, "Z1": Z1, "Z2": Z2}


def backward_propagation(parameters, cache, X, Y):
    m = Y.shape[1]
    d2 = (cache["A2"] - Y) / m
    d1 = np.einsum("kj,ki,ji->ji", parameters["W2"], d2, 1 - np.square(cache["A1"]))
    return {
        "dW2": np.einsum("ki,ji->kj", d2, cache["A1"]),
        "db2": np.einsum("ki->k", d2)[:, None],
        "dW1": np.einsum("ji,fi->jf", d1, X),
        "db1": np.einsum("ji->j", d1)[:, None],
    }


def linear_backward(dZ, cache):
    A_prev, W, b = cache
    dW = np.einsum("im,jm->ij", dZ, A_prev) / dZ.shape[1]
    db = np.einsum("im->i", dZ).reshape(b.shape) / dZ.shape[1]
    return np.einsum("ij,im->jm", W, dZ), dW, db


def update_parameters(parameters, grads, learning_rate=1.2):
    return {k: parameters[k] - learning_rate * grads["d" + k] for k in parameters}
