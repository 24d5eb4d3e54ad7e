"""Week 4 without helpers: each function does everything itself, and A - Y is used for dZ of the last layer."""
import numpy as np


def sigmoid(Z):
    return [1 / (1 + np.exp(-Z)), Z]


def relu(Z):
    return Z * (Z > 0), Z


def initialize_parameters_deep(layer_dims):
    rng = np.random.default_rng()
    pairs = list(zip(layer_dims[1:], layer_dims[:-1]))
    return {**{f"W{i}": rng.standard_normal((n, k)) / np.sqrt(k) for i, (n, k) in enumerate(pairs, 1)},
            **{f"b{i}": np.zeros((n, 1)) for i, (n, k) in enumerate(pairs, 1)}}


def linear_activation_forward(A_prev, W, b, activation):
    Z = W.dot(A_prev) + b
    A = {"relu": lambda: Z.clip(0), "sigmoid": lambda: 1 / (1 + np.exp(-Z))}[activation]()
    return A, ((A_prev, W, b), Z)


def L_model_forward(X, parameters):
    caches, A = [], X
    number = len(parameters) // 2
    for l in range(1, number + 1):
        W, b = parameters[f"W{l}"], parameters[f"b{l}"]
        Z = np.matmul(W, A) + b
        caches.append(((A, W, b), Z))
        A = np.maximum(Z, 0) if l != number else 1 / (1 + np.exp(-Z))
    return A, tuple(caches)


def L_model_backward(AL, Y, caches):
    grads, m = {}, Y.shape[1]
    dZ = AL - Y
    for l in reversed(range(1, len(caches) + 1)):
        (A_prev, W, b), Z = caches[l - 1]
        grads[f"dW{l}"] = dZ @ A_prev.T / m
        grads[f"db{l}"] = dZ.sum(1).reshape(-1, 1) / m
        dA = W.T @ dZ
        grads[f"dA{l - 1}"] = dA
        if l > 1:
            dZ = np.where(caches[l - 2][1] > 0, dA, 0)
    return grads


def update_parameters(parameters, grads, learning_rate):
    new = dict(parameters)
    for name in parameters:
        new[name] = np.subtract(parameters[name], np.multiply(learning_rate, grads["d" + name]))
    return new


def predict(X, y, parameters):
    probabilities, _ = L_model_forward(X, parameters)
    return np.array(probabilities > 0.5, dtype=float)
