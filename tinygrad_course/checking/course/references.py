"""The course's functions, right, in plain NumPy: helpers for a learner's file that uses but does not define them.

They also take the place of the learner's own helpers when a function is checked by itself, so that a mistake in
`propagate` is not blamed on `optimize`. `EDITIONS` holds them by week, as the same name means other things there.
"""
from __future__ import annotations

from typing import Any

import numpy as np


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def relu(z: Any) -> Any:
    return np.maximum(0, z)


# --------------------------------------------------------------------------------------------------- week 2


def initialize_with_zeros(dim: int) -> Any:
    return np.zeros((dim, 1)), 0.0


def propagate(w: Any, b: Any, X: Any, Y: Any) -> Any:
    m = X.shape[1]
    A = sigmoid(w.T @ X + b)
    cost = float(-np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m)
    return {"dw": X @ (A - Y).T / m, "db": np.sum(A - Y) / m}, cost


def optimize(w: Any, b: Any, X: Any, Y: Any, num_iterations: int = 100, learning_rate: float = 0.009,
             print_cost: bool = False) -> Any:
    costs, grads = [], {}
    for i in range(num_iterations):
        grads, cost = propagate(w, b, X, Y)
        w, b = w - learning_rate * grads["dw"], b - learning_rate * grads["db"]
        if i % 100 == 0:
            costs.append(cost)
    return {"w": w, "b": b}, grads, costs


def predict_logistic(w: Any, b: Any, X: Any) -> Any:
    return (sigmoid(w.T @ X + b) > 0.5) * 1.0


# --------------------------------------------------------------------------------------------------- week 3


def layer_sizes(X: Any, Y: Any) -> Any:
    return X.shape[0], 4, Y.shape[0]


def initialize_parameters(n_x: int, n_h: int, n_y: int) -> Any:
    random = np.random.RandomState(2)
    return {"W1": random.randn(n_h, n_x) * 0.01, "b1": np.zeros((n_h, 1)),
            "W2": random.randn(n_y, n_h) * 0.01, "b2": np.zeros((n_y, 1))}


def forward_propagation(X: Any, parameters: Any) -> Any:
    Z1 = parameters["W1"] @ X + parameters["b1"]
    A1 = np.tanh(Z1)
    Z2 = parameters["W2"] @ A1 + parameters["b2"]
    A2 = sigmoid(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def compute_cost(A: Any, Y: Any, parameters: Any = None) -> Any:
    return float(-np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / Y.shape[1])


def backward_propagation(parameters: Any, cache: Any, X: Any, Y: Any) -> Any:
    m = X.shape[1]
    dZ2 = cache["A2"] - Y
    dZ1 = parameters["W2"].T @ dZ2 * (1 - cache["A1"] ** 2)
    return {"dW1": dZ1 @ X.T / m, "db1": np.sum(dZ1, axis=1, keepdims=True) / m,
            "dW2": dZ2 @ cache["A1"].T / m, "db2": np.sum(dZ2, axis=1, keepdims=True) / m}


def update_parameters(parameters: Any, grads: Any, learning_rate: float = 1.2) -> Any:
    return {name: value - learning_rate * grads[f"d{name}"] for name, value in parameters.items()}


def nn_model(X: Any, Y: Any, n_h: int, num_iterations: int = 10000, print_cost: bool = False) -> Any:
    parameters = initialize_parameters(X.shape[0], n_h, Y.shape[0])
    for _ in range(num_iterations):
        _, cache = forward_propagation(X, parameters)
        parameters = update_parameters(parameters, backward_propagation(parameters, cache, X, Y))
    return parameters


def predict_planar(parameters: Any, X: Any) -> Any:
    return forward_propagation(X, parameters)[0] > 0.5


# --------------------------------------------------------------------------------------------------- week 4


def sigmoid_and_cache(Z: Any) -> Any:
    return sigmoid(Z), Z


def relu_and_cache(Z: Any) -> Any:
    return relu(Z), Z


def sigmoid_backward(dA: Any, cache: Any) -> Any:
    s = sigmoid(cache)
    return dA * s * (1 - s)


def relu_backward(dA: Any, cache: Any) -> Any:
    return dA * (cache > 0)


def initialize_parameters_deep(layer_dims: Any) -> Any:
    random, parameters = np.random.RandomState(3), {}
    for l in range(1, len(layer_dims)):
        parameters[f"W{l}"] = random.randn(layer_dims[l], layer_dims[l - 1]) * 0.01
        parameters[f"b{l}"] = np.zeros((layer_dims[l], 1))
    return parameters


def linear_forward(A: Any, W: Any, b: Any) -> Any:
    return W @ A + b, (A, W, b)


def linear_activation_forward(A_prev: Any, W: Any, b: Any, activation: str) -> Any:
    Z, linear_cache = linear_forward(A_prev, W, b)
    A, activation_cache = {"sigmoid": sigmoid_and_cache, "relu": relu_and_cache}[activation](Z)
    return A, (linear_cache, activation_cache)


def L_model_forward(X: Any, parameters: Any) -> Any:
    caches, A, L = [], X, len(parameters) // 2
    for l in range(1, L + 1):
        A, cache = linear_activation_forward(A, parameters[f"W{l}"], parameters[f"b{l}"],
                                             "relu" if l < L else "sigmoid")
        caches.append(cache)
    return A, caches


def linear_backward(dZ: Any, cache: Any) -> Any:
    A_prev, W, b = cache
    m = A_prev.shape[1]
    return W.T @ dZ, dZ @ A_prev.T / m, np.sum(dZ, axis=1, keepdims=True) / m


def linear_activation_backward(dA: Any, cache: Any, activation: str) -> Any:
    linear_cache, activation_cache = cache
    dZ = {"sigmoid": sigmoid_backward, "relu": relu_backward}[activation](dA, activation_cache)
    return linear_backward(dZ, linear_cache)


def L_model_backward(AL: Any, Y: Any, caches: Any) -> Any:
    L, grads = len(caches), {}
    dA = -(Y / AL - (1 - Y) / (1 - AL))
    for l in range(L, 0, -1):
        dA, grads[f"dW{l}"], grads[f"db{l}"] = linear_activation_backward(dA, caches[l - 1],
                                                                          "sigmoid" if l == L else "relu")
        grads[f"dA{l - 1}"] = dA
    return grads


def predict_deep(X: Any, y: Any, parameters: Any) -> Any:
    return (L_model_forward(X, parameters)[0] > 0.5) * 1.0


def update_parameters_deep(parameters: Any, grads: Any, learning_rate: float) -> Any:
    return update_parameters(parameters, grads, learning_rate)


_WEEK_2 = {"sigmoid": sigmoid, "initialize_with_zeros": initialize_with_zeros, "propagate": propagate,
           "optimize": optimize, "predict": predict_logistic}
_WEEK_3 = {"sigmoid": sigmoid, "layer_sizes": layer_sizes, "initialize_parameters": initialize_parameters,
           "forward_propagation": forward_propagation, "compute_cost": compute_cost,
           "backward_propagation": backward_propagation, "update_parameters": update_parameters, "nn_model": nn_model,
           "predict": predict_planar, "relu": relu}
_WEEK_4 = {"sigmoid": sigmoid_and_cache, "relu": relu_and_cache, "sigmoid_backward": sigmoid_backward,
           "relu_backward": relu_backward, "initialize_parameters": initialize_parameters,
           "initialize_parameters_deep": initialize_parameters_deep, "linear_forward": linear_forward,
           "linear_activation_forward": linear_activation_forward, "L_model_forward": L_model_forward,
           "compute_cost": compute_cost, "linear_backward": linear_backward,
           "linear_activation_backward": linear_activation_backward, "L_model_backward": L_model_backward,
           "update_parameters": update_parameters_deep, "predict": predict_deep}

EDITIONS = {2: _WEEK_2, 3: _WEEK_3, 4: _WEEK_4}


def week_of(defined: set[str]) -> int:
    """The week to which a file belongs, by the functions that it defines."""
    marks = {4: {"linear_forward", "linear_activation_forward", "L_model_forward", "linear_backward",
                 "linear_activation_backward", "L_model_backward", "initialize_parameters_deep", "two_layer_model",
                 "L_layer_model"},
             3: {"layer_sizes", "forward_propagation", "backward_propagation", "nn_model"},
             2: {"propagate", "optimize", "initialize_with_zeros"}}
    return next((week for week, names in marks.items() if names & defined), 3)


def helpers(week: int, used: set[str]) -> dict[str, Any]:
    """What a file may use without defining it. Later weeks' helpers are offered to a file of an earlier week too."""
    found = {name: value for other in EDITIONS.values() for name, value in other.items()}
    return {name: value for name, value in (found | EDITIONS[week]).items() if name in used}
