"""The course's functions, right, in plain NumPy: helpers for a learner's file that uses but does not define them.

They also take the place of the learner's own helpers when a function is checked by itself, so that a mistake in
`propagate` is not blamed on `optimize`. `functions.right_functions` has them by name for each week, as the same name
means other things there.
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


def predict_without_labels(X: Any, parameters: Any) -> Any:
    return predict_deep(X, None, parameters)


def two_layer_model(X: Any, Y: Any, layers_dims: Any, learning_rate: float = 0.0075, num_iterations: int = 3000,
                    print_cost: bool = False) -> Any:
    return _trained(initialize_parameters(*layers_dims), X, Y, learning_rate, num_iterations)


def L_layer_model(X: Any, Y: Any, layers_dims: Any, learning_rate: float = 0.0075, num_iterations: int = 3000,
                  print_cost: bool = False) -> Any:
    return _trained(initialize_parameters_deep(layers_dims), X, Y, learning_rate, num_iterations)


def _trained(parameters: Any, X: Any, Y: Any, learning_rate: float, num_iterations: int) -> Any:
    for _ in range(num_iterations):
        AL, caches = L_model_forward(X, parameters)
        parameters = update_parameters(parameters, L_model_backward(AL, Y, caches), learning_rate)
    return parameters


# ------------------------------------------------------------------------------------------------ the warm-up


def basic_sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def sigmoid_derivative(x: Any) -> Any:
    return sigmoid(x) * (1 - sigmoid(x))


def image2vector(image: Any) -> Any:
    return image.reshape(-1, 1)


def normalize_rows(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def softmax_rows(x: Any) -> Any:
    return np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)


def L1(yhat: Any, y: Any) -> Any:
    return np.sum(np.abs(y - yhat))


def L2(yhat: Any, y: Any) -> Any:
    return np.sum((y - yhat) ** 2)


# ------------------------------------------- the next course: initialisation, regularisation, gradient checking


def model(X_train: Any, Y_train: Any, X_test: Any, Y_test: Any, num_iterations: int = 2000,
          learning_rate: float = 0.5, print_cost: bool = False) -> Any:
    """Week 2's whole model."""
    w, b = initialize_with_zeros(X_train.shape[0])
    parameters, _, costs = optimize(w, b, X_train, Y_train, num_iterations, learning_rate)
    w, b = parameters["w"], parameters["b"]
    return {"costs": costs, "Y_prediction_test": predict_logistic(w, b, X_test),
            "Y_prediction_train": predict_logistic(w, b, X_train), "w": w, "b": b, "learning_rate": learning_rate,
            "num_iterations": num_iterations}


def model_3(X: Any, Y: Any, learning_rate: float = 0.01, num_iterations: int = 15000, print_cost: bool = True,
            initialization: str = "he", lambd: float = 0, keep_prob: float = 1) -> Any:
    return _trained(initialize_parameters_he([X.shape[0], 10, 5, 1]), X, Y, learning_rate, num_iterations)


def initialize_parameters_zeros(layers_dims: Any) -> Any:
    return _initial(layers_dims, lambda n_in: 0.0)


def initialize_parameters_random(layers_dims: Any) -> Any:
    return _initial(layers_dims, lambda n_in: 10.0)


def initialize_parameters_he(layers_dims: Any) -> Any:
    return _initial(layers_dims, lambda n_in: np.sqrt(2 / n_in))


def _initial(layers_dims: Any, scale: Any) -> Any:
    random, parameters = np.random.RandomState(3), {}
    for l in range(1, len(layers_dims)):
        parameters[f"W{l}"] = random.randn(layers_dims[l], layers_dims[l - 1]) * scale(layers_dims[l - 1])
        parameters[f"b{l}"] = np.zeros((layers_dims[l], 1))
    return parameters


def forward_propagation_3(X: Any, parameters: Any, keep_prob: float = 1.0) -> Any:
    """Three layers with the next course's cache; masks are in it where keep_prob is below 1."""
    A, cache = X, []
    for l in (1, 2, 3):
        W, b = parameters[f"W{l}"], parameters[f"b{l}"]
        Z = W @ A + b
        A = relu(Z) if l < 3 else sigmoid(Z)
        masks = []
        if keep_prob < 1 and l < 3:
            masks = [np.random.rand(*A.shape) < keep_prob]
            A = A * masks[0] / keep_prob
        cache += [Z, *masks, A, W, b]
    return A, tuple(cache)


def forward_propagation_with_dropout(X: Any, parameters: Any, keep_prob: float = 0.5) -> Any:
    return forward_propagation_3(X, parameters, keep_prob)


def forward_propagation_n(X: Any, Y: Any, parameters: Any) -> Any:
    A3, cache = forward_propagation_3(X, parameters)
    return compute_cost(A3, Y), cache


def compute_cost_with_regularization(A3: Any, Y: Any, parameters: Any, lambd: float) -> Any:
    squares = sum(np.sum(parameters[f"W{l}"] ** 2) for l in (1, 2, 3))
    return compute_cost(A3, Y) + lambd / (2 * Y.shape[1]) * squares


def backward_propagation_n(X: Any, Y: Any, cache: Any) -> Any:
    return _backward_3(X, Y, cache)


def backward_propagation_with_regularization(X: Any, Y: Any, cache: Any, lambd: float) -> Any:
    return _backward_3(X, Y, cache, lambd)


def backward_propagation_with_dropout(X: Any, Y: Any, cache: Any, keep_prob: float) -> Any:
    Z1, D1, A1, W1, b1, Z2, D2, A2, W2, b2, Z3, A3, W3, b3 = cache
    return _backward_3(X, Y, (Z1, A1, W1, b1, Z2, A2, W2, b2, Z3, A3, W3, b3), 0.0, (D1 / keep_prob, D2 / keep_prob))


def _backward_3(X: Any, Y: Any, cache: Any, lambd: float = 0.0, masks: Any = (1, 1)) -> Any:
    Z1, A1, W1, b1, Z2, A2, W2, b2, Z3, A3, W3, b3 = cache
    m = X.shape[1]
    dZ3 = A3 - Y
    dA2 = W3.T @ dZ3 * masks[1]
    dZ2 = dA2 * (A2 > 0)
    dA1 = W2.T @ dZ2 * masks[0]
    dZ1 = dA1 * (A1 > 0)
    steps = ((3, dZ3, A2, W3), (2, dZ2, A1, W2), (1, dZ1, X, W1))
    grads = {f"dW{l}": dZ @ A.T / m + lambd / m * W for l, dZ, A, W in steps}
    grads |= {f"db{l}": np.sum(dZ, axis=1, keepdims=True) / m for l, dZ, _, _ in steps}
    return grads | {"dZ3": dZ3, "dA2": dA2, "dZ2": dZ2, "dA1": dA1, "dZ1": dZ1}


def forward_propagation_1(x: Any, theta: Any) -> Any:
    return theta * x


def backward_propagation_1(x: Any, theta: Any) -> Any:
    return x


def gradient_check_1(x: Any, theta: Any, epsilon: float = 1e-7) -> Any:
    return _apart(((theta + epsilon) * x - (theta - epsilon) * x) / (2 * epsilon), x)


def _apart(a: Any, b: Any) -> Any:
    """The course's measure: ||a - b|| / (||a|| + ||b||)."""
    return np.linalg.norm(np.atleast_1d(a - b)) / (np.linalg.norm(np.atleast_1d(a)) + np.linalg.norm(np.atleast_1d(b)))


CHECKED = [f"{name}{l}" for l in (1, 2, 3) for name in ("W", "b")]


def dictionary_to_vector(parameters: Any) -> Any:
    theta = np.concatenate([parameters[name].reshape(-1, 1) for name in CHECKED])
    return theta, [name for name in CHECKED for _ in range(parameters[name].size)]


def gradients_to_vector(gradients: Any) -> Any:
    return np.concatenate([gradients[f"d{name}"].reshape(-1, 1) for name in CHECKED])


def vector_to_dictionary(theta: Any) -> Any:
    """For the network of the course's exercise: 4 inputs, 5, 3 and 1 units."""
    shapes, parameters, place = [(5, 4), (5, 1), (3, 5), (3, 1), (1, 3), (1, 1)], {}, 0
    for name, shape in zip(CHECKED, shapes):
        parameters[name] = theta[place:place + shape[0] * shape[1]].reshape(shape)
        place += shape[0] * shape[1]
    return parameters


def gradient_check_n(parameters: Any, gradients: Any, X: Any, Y: Any, epsilon: float = 1e-7) -> Any:
    theta, _ = dictionary_to_vector(parameters)
    approximate = np.zeros(theta.shape)
    for i in range(theta.size):
        step = np.zeros(theta.shape)
        step[i] = epsilon
        plus, minus = (forward_propagation_n(X, Y, vector_to_dictionary(theta + s))[0] for s in (step, -step))
        approximate[i] = (plus - minus) / (2 * epsilon)
    return _apart(gradients_to_vector(gradients), approximate)


# What the course's own modules bring besides what has to be written.
HELPERS: dict[str, Any] = {"vector_to_dictionary": vector_to_dictionary, "compute_loss": compute_cost}
SCALARS = frozenset(("loss", "difference", "J", "dtheta", "b"))  # results that are one number
