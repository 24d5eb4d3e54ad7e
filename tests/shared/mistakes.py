"""Mistakes as learners write them, one line each, with what they are called; every test of the diagnosis reads them."""

import re
from typing import Any

import numpy as np
from places import LEARNERS

from tinygrad_course.checking.check_function import in_process
from tinygrad_course.checking.course.functions import editions, right_functions
from tinygrad_course.checking.judge import judge
from tinygrad_course.checking.report import Verdict

# week, function: (right line, wrong line, quantity, mistake); the mistake as a regular expression.
FAULTS: dict[tuple[int, str], list[tuple[str, str, str, str]]] = {
    (2, "sigmoid"): [
        ("s = 1 / (1 + np.exp(-z))", "s = 1 / (1 + np.exp(z))", "A", "sign"),
        ("s = 1 / (1 + np.exp(-z))", "s = 1 / (1 - np.exp(-z))", "A", "- for \\+"),
        ("s = 1 / (1 + np.exp(-z))", "s = 1 + np.exp(-z)", "A", "missing|turned|for 1 /"),
        ("s = 1 / (1 + np.exp(-z))", "s = 1 / (1 + -z)", "A", "exp missing"),
        ("s = 1 / (1 + np.exp(-z))", "s = 1 / np.exp(-z)", "A", "1 missing"),
    ],
    (2, "initialize_with_zeros"): [
        ("w = np.zeros((dim, 1))", "w = np.zeros(dim)", "w", "one axis missing"),
        ("w = np.zeros((dim, 1))", "w = np.zeros((1, dim))", "w", "shape transposed"),
        ("w = np.zeros((dim, 1))", "w = np.random.randn(dim, 1)", "w", "random numbers for zeros"),
        ("w = np.zeros((dim, 1))", "w = np.ones((dim, 1))", "w", "ones for zeros"),
        ("b = 0.0", "b = 1.0", "b", "ones for zeros"),
    ],
    (2, "propagate"): [
        ("dw = 1 / m * np.dot(X, (A - Y).T)", "dw = np.dot(X, (A - Y).T)", "dw", "1/m missing"),
        ("dw = 1 / m * np.dot(X, (A - Y).T)", "dw = 1 / m * np.dot(X, (A - Y).T) / m", "dw", "1/m twice"),
        ("dw = 1 / m * np.dot(X, (A - Y).T)", "dw = m * np.dot(X, (A - Y).T)", "dw", "m times instead of 1/m"),
        ("dw = 1 / m * np.dot(X, (A - Y).T)", "dw = 1 / m * np.dot(A - Y, X.T)", "dw", "result transposed"),
        ("dw = 1 / m * np.dot(X, (A - Y).T)", "dw = 1 / m * np.dot(X, (Y - A).T)", "dw", "sign"),
        ("dw = 1 / m * np.dot(X, (A - Y).T)", "dw = 1 / m * np.dot(X, A.T)", "dw", "A for dZ"),
        ("dw = 1 / m * np.dot(X, (A - Y).T)", "dw = 2 / m * np.dot(X, (A - Y).T)", "dw", "factor 2"),
        ("dw = 1 / m * np.dot(X, (A - Y).T)", "dw = 1 / (2 * m) * np.dot(X, (A - Y).T)", "dw", "factor 1/2"),
        ("dw = 1 / m * np.dot(X, (A - Y).T)", "dw = 1 / m * np.sum(X * (A - Y), axis=1)", "dw", "flattened|keepdims"),
        ("db = 1 / m * np.sum(A - Y)", "db = np.sum(A - Y)", "db", "1/m missing"),
        ("db = 1 / m * np.sum(A - Y)", "db = np.mean(A - Y) / m", "db", "mean for sum"),
        ("db = 1 / m * np.sum(A - Y)", "db = 1 / m * np.sum(Y - A)", "db", "sign"),
        ("db = 1 / m * np.sum(A - Y)", "db = 1 / m * np.sum(A - Y, axis=0)", "db", "wrong axis"),
        ("db = 1 / m * np.sum(A - Y)", "db = 1 / m * (A - Y)", "db", "sum missing"),
        ("db = 1 / m * np.sum(A - Y)", "db = 1 / m * np.sum(dw)", "db", "dw for dZ"),
        ("m = X.shape[1]", "m = X.shape[0]", "m", r"taken from axis 0"),
        ("A = sigmoid(np.dot(w.T, X) + b)", "A = sigmoid(np.dot(w.T, X))", "Z", "b missing"),
        ("A = sigmoid(np.dot(w.T, X) + b)", "A = sigmoid(np.dot(w.T, X) - b)", "Z", "- for \\+"),
        ("A = sigmoid(np.dot(w.T, X) + b)", "A = np.tanh(np.dot(w.T, X) + b)", "A", "tanh for sigmoid"),
        ("cost = -1 / m * np.sum(", "cost = -np.sum(", "cost", "1/m missing"),
        ("cost = -1 / m * np.sum(", "cost = 1 / m * np.sum(", "cost", "sign"),
        ("(1 - Y) * np.log(1 - A))", "(1 - Y) * np.log(A))", "cost", "^A for 1 - A"),
        ("Y * np.log(A) + (1 - Y) * np.log(1 - A)", "Y * np.log(A)", "cost", r"\(1 - Y\) \* log\(1 - A\) missing"),
        ("Y * np.log(A) + (1 - Y)", "Y * np.log(A) - (1 - Y)", "cost", "- for \\+"),
        ("np.log(A) + (1 - Y) * np.log(1 - A)", "np.log10(A) + (1 - Y) * np.log(1 - A)", "cost", "log10 for log"),
    ],
    (2, "optimize"): [
        ("w = w - learning_rate * dw", "w = w + learning_rate * dw", "w", "\\+ for -"),
        ("w = w - learning_rate * dw", "w = w - dw", "w", "learning_rate missing"),
        ("b = b - learning_rate * db", "b = b + learning_rate * db", "b", "\\+ for -"),
        ("b = b - learning_rate * db", "b = b - learning_rate * b", "b", "b for db"),
        ("        b = b - learning_rate * db\n", "        pass\n", "b", "missing"),
        ("    for i in range(num_iterations):\n        grads, cost = propagate(w, b, X, Y)",
         "    grads, cost = propagate(w, b, X, Y)\n    for i in range(num_iterations):", "", "stale gradients reused"),
        ("range(num_iterations)", "range(num_iterations - 1)", "", "one iteration too few"),
        ("range(num_iterations)", "range(num_iterations + 1)", "", "one iteration too many"),
        ("        b = b - learning_rate", "        db = propagate(w, b, X, Y)[0]['db']\n        b = b - learning_rate",
         "", "parameters overwritten before use"),
        ("        if i % 100 == 0:\n            costs", "        if True:\n            costs", "costs",
         "every iteration"),
        ("        if i % 100 == 0:\n            costs", "        if print_cost:\n            costs", "costs",
         "no cost is recorded"),
    ],
    (2, "predict"): [
        ("A = sigmoid(np.dot(w.T, X) + b)", "A = np.dot(w.T, X) + b", "A", "sigmoid missing"),
        ("A = sigmoid(np.dot(w.T, X) + b)", "A = sigmoid(np.dot(w.T, X))", "Z", "b missing"),
        ("A[0, i] > 0.5", "A[0, i] < 0.5", "Y_prediction", "comparison reversed"),
        ("    return Y_prediction", "    return A", "Y_prediction", "threshold missing|A returned"),
        ("A[0, i] > 0.5", "A[0, i] > 0.8", "Y_prediction", "for 0.5"),
    ],
    (3, "layer_sizes"): [
        ("n_x = X.shape[0]", "n_x = X.shape[1]", "n_x", "axis 1"),
        ("n_y = Y.shape[0]", "n_y = Y.shape[1]", "n_y", "axis 1"),
        ("n_h = 4", "n_h = 3", "n_h", "3 for 4"),
    ],
    (3, "initialize_parameters"): [
        ("W1 = np.random.randn(n_h, n_x) * 0.01", "W1 = np.random.randn(n_x, n_h) * 0.01", "W1", "shape transposed"),
        ("W1 = np.random.randn(n_h, n_x) * 0.01", "W1 = np.random.rand(n_h, n_x) * 0.01", "W1", "rand for randn"),
        ("W1 = np.random.randn(n_h, n_x) * 0.01", "W1 = np.random.randn(n_h, n_x)", "W1", "factor missing"),
        ("W1 = np.random.randn(n_h, n_x) * 0.01", "W1 = np.zeros((n_h, n_x))", "W1", "zeros for random"),
        ("b1 = np.zeros((n_h, 1))", "b1 = np.zeros(n_h)", "b1", "one axis missing"),
        ("b1 = np.zeros((n_h, 1))", "b1 = np.random.randn(n_h, 1)", "b1", "random numbers for zeros"),
        ("b2 = np.zeros((n_y, 1))", "b2 = np.zeros((n_h, 1))", "b2", "wrong shape"),
    ],
    (3, "forward_propagation"): [
        ("A1 = np.tanh(Z1)", "A1 = sigmoid(Z1)", "A1", "sigmoid for tanh"),
        ("A1 = np.tanh(Z1)", "A1 = np.maximum(0, Z1)", "A1", "relu for tanh"),
        ("A1 = np.tanh(Z1)", "A1 = Z1", "A1", "tanh missing"),
        ("A2 = sigmoid(Z2)", "A2 = np.tanh(Z2)", "A2", "tanh for sigmoid"),
        ("Z1 = np.dot(W1, X) + b1", "Z1 = np.dot(W1, X)", "Z1", "b1 missing"),
        ("Z2 = np.dot(W2, A1) + b2", "Z2 = np.dot(W2, Z1) + b2", "Z2", "Z1 for A1"),
        ("Z2 = np.dot(W2, A1) + b2", "Z2 = np.dot(W2, A1) + b1[:1]", "Z2", ""),
        ('cache = {"Z1": Z1, "A1": A1', 'cache = {"Z1": A1, "A1": A1', "Z1", "A1 returned as Z1"),
        ("    return A2, cache", "    return Z2, cache", "A2 returned", "Z2"),
    ],
    (3, "compute_cost"): [
        ("cost = -1 / m * np.sum(logprobs)", "cost = -np.sum(logprobs)", "cost", "1/m missing"),
        ("cost = -1 / m * np.sum(logprobs)", "cost = 1 / m * np.sum(logprobs)", "cost", "sign"),
        ("np.multiply(np.log(1 - A2), 1 - Y)", "np.multiply(np.log(A2), 1 - Y)", "cost", "missing|for"),
        ("np.multiply(np.log(1 - A2), 1 - Y)", "np.multiply(np.log(1 - A2), Y)", "cost", "missing|for"),
        ("np.log(A2), Y)", "np.log(Y + 1), A2)", "cost", ""),
        ("m = Y.shape[1]", "m = Y.shape[0]", "cost|m", "1/m missing|axis 0"),
    ],
    (3, "backward_propagation"): [
        ("dZ2 = A2 - Y", "dZ2 = Y - A2", "dZ2", "Y - A2 for A2 - Y"),
        ("dZ2 = A2 - Y", "dZ2 = (A2 - Y) * A2 * (1 - A2)", "dZ2", "extra sigmoid derivative"),
        ("dZ2 = A2 - Y", "dZ2 = 2 * (A2 - Y)", "dZ2", "factor 2"),
        ("dZ2 = A2 - Y", "dZ2 = (A2 - Y) / m", "dZ2", "1/m where none belongs"),
        ("dZ2 = A2 - Y", "dZ2 = A2", "dZ2", "Y missing"),
        ("dZ2 = A2 - Y", "dZ2 = A2 + Y", "dZ2", "\\+ for -"),
        ("dZ2 = A2 - Y", "dZ2 = cache['Z2'] - Y", "dZ2", "Z2 for A2"),
        ("dW2 = 1 / m * np.dot(dZ2, A1.T)", "dW2 = np.dot(dZ2, A1.T)", "dW2", "1/m missing"),
        ("dW2 = 1 / m * np.dot(dZ2, A1.T)", "dW2 = 1 / m * np.dot(A1, dZ2.T)", "dW2", "result transposed"),
        ("dW2 = 1 / m * np.dot(dZ2, A1.T)", "dW2 = 1 / m * np.dot(dZ2, Z1.T)", "dW2", "Z1 for A1"),
        ("dW2 = 1 / m * np.dot(dZ2, A1.T)", "dW2 = 1 / m * np.dot(dZ2, X.T)", "dW2", "X for A1"),
        ("db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)", "db2 = np.sum(dZ2, axis=1, keepdims=True)", "db2",
         "1/m missing"),
        ("db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)", "db2 = 1 / m * np.sum(dZ2, axis=0, keepdims=True)", "db2",
         "wrong axis|sum missing"),
        ("db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)", "db2 = 1 / m * dZ2", "db2", "sum missing"),
        ("dZ1 = np.dot(W2.T, dZ2) * (1 - np.power(A1, 2))", "dZ1 = np.dot(W2.T, dZ2)", "dZ1",
         "activation derivative missing"),
        ("(1 - np.power(A1, 2))", "(1 - A1)", "dZ1", "derivative: unsquared"),
        ("(1 - np.power(A1, 2))", "(1 - np.power(Z1, 2))", "dZ1", "derivative: Z for A"),
        ("(1 - np.power(A1, 2))", "(1 - np.power(np.tanh(A1), 2))", "dZ1", "applied twice"),
        ("(1 - np.power(A1, 2))", "A1 * (1 - A1)", "dZ1", "sigmoid's derivative for tanh's"),
        ("(1 - np.power(A1, 2))", "(Z1 > 0)", "dZ1", "relu's derivative for tanh's"),
        ("(1 - np.power(A1, 2))", "(1 - np.power(A1, 2)) ** 2", "dZ1", "activation derivative twice"),
        ("(1 - np.power(A1, 2))", "np.power(A1, 2)", "dZ1", "1 - missing"),
        ("(1 - np.power(A1, 2))", "(1 - A1) ** 2", "dZ1", "square in the wrong place"),
        ("dZ1 = np.dot(W2.T, dZ2) *", "dZ1 = dZ2 *", "dZ1", r"W2\^T missing"),
        ("dZ1 = np.dot(W2.T, dZ2) *", "dZ1 = -np.dot(W2.T, dZ2) *", "dZ1", "sign"),
        ("dZ1 = np.dot(W2.T, dZ2) *", "dZ1 = np.dot((W2 - 0.5 * dW2).T, dZ2) *", "dZ1", "W2 overwritten before use"),
        ("dZ1 = np.dot(W2.T, dZ2) *", "dZ1 = np.dot(dW2.T, dZ2) *", "dZ1", "dW2 for W2"),
        ("dZ1 = np.dot(W2.T, dZ2) *", "dZ1 = np.dot(W2.T, A2) *", "dZ1", "A2 for dZ2"),
        ("dZ1 = np.dot(W2.T, dZ2) *", "dZ1 = 1 / m * np.dot(W2.T, dZ2) *", "dZ1", "1/m where none belongs"),
        ("dW1 = 1 / m * np.dot(dZ1, X.T)", "dW1 = np.dot(dZ1, X.T)", "dW1", "1/m missing"),
        ("dW1 = 1 / m * np.dot(dZ1, X.T)", "dW1 = 1 / m * np.dot(X, dZ1.T)", "dW1", "result transposed"),
        ("dW1 = 1 / m * np.dot(dZ1, X.T)", "dW1 = 1 / m * np.dot(dZ1, A1.T)", "dW1", "A1 for X"),
        ("dW1 = 1 / m * np.dot(dZ1, X.T)", "dW1 = -1 / m * np.dot(dZ1, X.T)", "dW1", "sign"),
        ("dW1 = 1 / m * np.dot(dZ1, X.T)", "dW1 = 3 / m * np.dot(dZ1, X.T)", "dW1", "factor 3"),
        ("dW1 = 1 / m * np.dot(dZ1, X.T)", "dW1 = 1 / m * np.dot(Z1, X.T)", "dW1", "Z1 for dZ1"),
        ("db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)", "db1 = 1 / m * np.sum(dZ1, axis=1)", "db1",
         "keepdims missing"),
        ("db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)", "db1 = 1 / m * np.sum(dZ1, axis=0, keepdims=True)", "db1",
         "wrong axis"),
        ("db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)", "db1 = 1 / m * np.sum(dZ1, keepdims=True)", "db1",
         "sum over all axes"),
        ("db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)", "db1 = 1 / m * np.mean(dZ1, axis=1, keepdims=True)", "db1",
         "mean for sum"),
        ("db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)", "db1 = np.mean(dZ1)", "db1", "mean"),
        ("db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)", "db1 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)", "db1",
         "dZ2 for dZ1|db2 returned"),
        ("m = X.shape[1]", "m = X.shape[0]", "m", "axis 0"),
        ("m = X.shape[1]", "m = X.size", "m", "size"),
        ('"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2', '"dW1": W1, "db1": db1, "dW2": dW2, "db2": db2', "dW1",
         "W1 returned as dW1"),
    ],
    (3, "update_parameters"): [
        ("W1 = W1 - learning_rate * dW1", "W1 = W1 + learning_rate * dW1", "W1", "\\+ for -"),
        ("W1 = W1 - learning_rate * dW1", "W1 = W1 - dW1", "W1", "learning_rate missing"),
        ("W2 = W2 - learning_rate * dW2", "W2 = learning_rate * dW2 - W2", "W2", "for W2 -|sign"),
        ("b1 = b1 - learning_rate * db1", "b1 = b1 - learning_rate * b1", "b1", "b1 for db1"),
        ("W1 = W1 - learning_rate * dW1", "W1 = W1 - 1.2 * dW1", "W1", "1.2|factor"),
        ("W1 = W1 - learning_rate * dW1", "W1 = -learning_rate * dW1", "W1", "W1 missing"),
    ],
    (3, "nn_model"): [
        ("        parameters = update_parameters(parameters, grads)", "        update_parameters(parameters, grads)",
         "W|", "missing|starts again"),
        ("range(0, num_iterations)", "range(1, num_iterations)", "", "one iteration too few"),
        ("update_parameters(parameters, grads)", "update_parameters(parameters, grads, 0.01)", "",
         "learning rate 0.01"),
        ("    for i in range(0, num_iterations):\n        A2, cache = forward_propagation(X, parameters)",
         "    A2, cache = forward_propagation(X, parameters)\n    for i in range(0, num_iterations):", "",
         "forward pass not repeated"),
    ],
    (3, "predict"): [
        ("predictions = (A2 > 0.5)", "predictions = (A2 < 0.5)", "predictions", "comparison reversed"),
        ("predictions = (A2 > 0.5)", "predictions = A2", "predictions", "threshold missing|A2 returned"),
        ("predictions = (A2 > 0.5)", "predictions = (A2 > 0.6)", "predictions", "for 0.5"),
    ],
    (4, "sigmoid"): [
        ("cache = Z", "cache = A", "cached Z", "A"),
        ("A = 1 / (1 + np.exp(-Z))", "A = 1 / (1 + np.exp(Z))", "A", "sign"),
    ],
    (4, "relu"): [
        ("A = np.maximum(0, Z)", "A = np.minimum(0, Z)", "A", "min for max"),
        ("A = np.maximum(0, Z)", "A = (Z > 0) * 1.0", "A", "max missing"),
        ("A = np.maximum(0, Z)", "A = np.abs(Z)", "A", "max missing"),
        ("A = np.maximum(0, Z)", "A = np.maximum(1, Z)", "A", "for 0"),
        ("cache = Z", "cache = A", "cached Z", "A"),
    ],
    (4, "initialize_parameters_deep"): [
        ("np.random.randn(layer_dims[l], layer_dims[l - 1]) * 0.01",
         "np.random.randn(layer_dims[l - 1], layer_dims[l]) * 0.01", "W1", "shape transposed"),
        ("layer_dims[l - 1]) * 0.01", "layer_dims[l - 1])", "W1", "factor missing"),
        ("np.zeros((layer_dims[l], 1))", "np.zeros((layer_dims[l - 1], 1))", "b1", "wrong shape"),
        ("np.zeros((layer_dims[l], 1))", "np.zeros((1, layer_dims[l]))", "b1", "shape transposed"),
    ],
    (4, "linear_forward"): [
        ("Z = np.dot(W, A) + b", "Z = np.dot(W, A)", "Z", "b missing"),
        ("Z = np.dot(W, A) + b", "Z = np.dot(W, A) - b", "Z", "- for \\+"),
        ("Z = np.dot(W, A) + b", "Z = np.dot(W, A + 0 * b[0]) * b", "Z", "\\* for \\+"),
        ("cache = (A, W, b)", "cache = (Z, W, b)", "cached A", "Z"),
    ],
    (4, "linear_activation_forward"): [
        ("A, activation_cache = relu(Z)", "A, activation_cache = sigmoid(Z)", "A", "sigmoid for relu"),
        ("A, activation_cache = sigmoid(Z)", "A, activation_cache = relu(Z)", "A", "relu for sigmoid"),
        ("A, activation_cache = relu(Z)", "A, activation_cache = Z, Z", "A", "relu missing|Z"),
        ("    cache = (linear_cache, activation_cache)\n    return A, cache\n\n\ndef L_m",
         "    cache = (linear_cache, A)\n    return A, cache\n\n\ndef L_m", "cached Z", "A returned"),
    ],
    (4, "L_model_forward"): [
        ('"relu")', '"sigmoid")', "A1", "sigmoid for relu"),
        ('"sigmoid")', '"relu")', "A3", "relu for sigmoid"),
    ],
    (4, "compute_cost"): [
        ("cost = -1 / m * np.sum(", "cost = -np.sum(", "cost", "1/m missing"),
        ("(1 - Y) * np.log(1 - AL)", "(1 - Y) * np.log(1 + AL)", "cost", "\\+ for -"),
        ("(1 - Y) * np.log(1 - AL)", "Y * np.log(1 - AL)", "cost", "missing|for"),
        ("cost = -1 / m * np.sum(Y", "cost = -1 / m * np.mean(Y", "cost", "mean for sum"),
    ],
    (4, "linear_backward"): [
        ("dW = 1 / m * np.dot(dZ, A_prev.T)", "dW = np.dot(dZ, A_prev.T)", "dW", "1/m missing"),
        ("dW = 1 / m * np.dot(dZ, A_prev.T)", "dW = 1 / m * np.dot(A_prev, dZ.T)", "dW", "result transposed"),
        ("dW = 1 / m * np.dot(dZ, A_prev.T)", "dW = 1 / m * np.dot(dZ, A_prev)", "dW", "transpose missing"),
        ("dW = 1 / m * np.dot(dZ, A_prev.T)", "dW = 1 / m * dZ * A_prev", "dW", "\\* for matmul"),
        ("db = 1 / m * np.sum(dZ, axis=1, keepdims=True)", "db = 1 / m * np.sum(dZ, axis=1)", "db", "keepdims missing"),
        ("db = 1 / m * np.sum(dZ, axis=1, keepdims=True)", "db = 1 / m * np.sum(dZ, axis=0, keepdims=True)", "db",
         "wrong axis"),
        ("db = 1 / m * np.sum(dZ, axis=1, keepdims=True)", "db = 1 / m * np.sum(dZ)", "db", "sum over all axes"),
        ("db = 1 / m * np.sum(dZ, axis=1, keepdims=True)", "db = np.sum(dZ, axis=1, keepdims=True)", "db",
         "1/m missing"),
        ("dA_prev = np.dot(W.T, dZ)", "dA_prev = 1 / m * np.dot(W.T, dZ)", "dA_prev", "1/m where none belongs"),
        ("dA_prev = np.dot(W.T, dZ)", "dA_prev = np.dot(W, dZ)", "dA_prev", "transpose missing"),
        ("dA_prev = np.dot(W.T, dZ)", "dA_prev = W * dZ", "dA_prev", "\\* for matmul"),
        ("dA_prev = np.dot(W.T, dZ)", "dA_prev = np.dot(dW.T, dZ)", "dA_prev", "dW for W"),
        ("dA_prev = np.dot(W.T, dZ)", "dA_prev = np.dot(W.T, A_prev)", "dA_prev", "A_prev for dZ"),
        ("dA_prev = np.dot(W.T, dZ)", "dA_prev = np.dot(dZ.T, W)", "dA_prev", "result transposed"),
        ("m = A_prev.shape[1]", "m = A_prev.shape[0]", "m", "axis 0"),
        ("m = A_prev.shape[1]", "m = W.shape[0]", "m", r"W.shape\[0\]|dZ.shape\[0\]"),
    ],
    (4, "linear_activation_backward"): [
        ("dZ = relu_backward(dA, activation_cache)", "dZ = sigmoid_backward(dA, activation_cache)", "dZ",
         "sigmoid's derivative for relu's"),
        ("dZ = sigmoid_backward(dA, activation_cache)", "dZ = relu_backward(dA, activation_cache)", "dZ",
         "relu's derivative for sigmoid's"),
        ("dZ = relu_backward(dA, activation_cache)", "dZ = dA", "dZ", "activation derivative missing"),
        ("dZ = sigmoid_backward(dA, activation_cache)", "dZ = dA * activation_cache * (1 - activation_cache)", "dZ",
         "derivative: Z for A"),
        ("dZ = sigmoid_backward(dA, activation_cache)",
         "s = sigmoid(activation_cache)[0]\n        dZ = dA * sigmoid(s)[0] * (1 - sigmoid(s)[0])", "dZ",
         "applied twice"),
        ("dZ = relu_backward(dA, activation_cache)", "dZ = dA * np.maximum(0, activation_cache)", "dZ",
         "activation for its derivative"),
        ("dZ = relu_backward(dA, activation_cache)", "dZ = dA * (activation_cache < 0)", "dZ", "comparison reversed"),
        ("dZ = relu_backward(dA, activation_cache)", "dZ = dA * (dA > 0)", "dZ", "dA for Z"),
    ],
    (4, "L_model_backward"): [
        ("dAL = - (np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))", "dAL = np.divide(Y, AL) - np.divide(1 - Y, 1 - AL)",
         "dAL", "sign|for Y / AL"),
        ("dAL = - (np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))", "dAL = AL - Y", "dAL", "extra sigmoid derivative"),
        ("dAL = - (np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))",
         "dAL = - (np.divide(Y, AL) + np.divide(1 - Y, 1 - AL))", "dAL", "\\+ for -"),
        ("dAL = - (np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))",
         "dAL = - (np.divide(Y, AL) - np.divide(1 - Y, 1 - AL)) / m", "dAL", "1/m where none belongs"),
        ("dAL = - (np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))", "dAL = - np.divide(Y, AL)", "dAL", "missing"),
        ('current_cache, "relu")', 'current_cache, "sigmoid")', "dZ2", "sigmoid's derivative for relu's"),
        ('current_cache, "sigmoid")', 'current_cache, "relu")', "dZ3", "relu's derivative for sigmoid's"),
        ('        dAL, current_cache, "sigmoid")', '        AL - Y, current_cache, "sigmoid")', "dAL",
         "extra sigmoid derivative"),
    ],
    (4, "update_parameters"): [
        ('parameters["W" + str(l + 1)] - learning_rate', 'parameters["W" + str(l + 1)] + learning_rate', "W1",
         "\\+ for -"),
        ('- learning_rate * grads["db"', '- grads["db"', "b1", "learning_rate missing"),
    ],
    (4, "predict"): [
        ("probas[0, i] > 0.5", "probas[0, i] < 0.5", "p", "comparison reversed"),
        ("    return p\n", "    return probas\n", "p", "threshold missing|returned"),
    ],
}
CASES = [(week, name, *fault) for (week, name), faults in FAULTS.items() for fault in faults]
# Mistakes that show only where sizes happen to be equal; elsewhere NumPy raises.
SQUARE_ONLY = [
    (3, "backward_propagation", "dZ1 = np.dot(W2.T, dZ2) *", "dZ1 = np.dot(W1.T, dZ2) *", "dZ1", "W1 for W2"),
    (3, "backward_propagation", "dZ1 = np.dot(W2.T, dZ2) *", "dZ1 = np.dot(W2, dZ2) *", "dZ1", "transpose missing"),
    (3, "backward_propagation", "dZ2) * (1 - np.power(A1, 2))", "dZ2) @ (1 - np.power(A1, 2))", "dZ1", "matmul for"),
    (3, "backward_propagation", "dW2 = 1 / m * np.dot(dZ2, A1.T)", "dW2 = 1 / m * dZ2 * A1.T", "dW2", r"\* for matmul"),
    (3, "forward_propagation", "Z2 = np.dot(W2, A1) + b2", "Z2 = np.dot(W2.T, A1) + b2", "Z2", "W2 transposed"),
    (3, "forward_propagation", "Z2 = np.dot(W2, A1) + b2", "Z2 = np.dot(W1, A1) + b2", "Z2", "W1 for W2"),
    (3, "forward_propagation", "Z2 = np.dot(W2, A1) + b2", "Z2 = np.dot(W2, X) + b2", "Z2", "X for A1"),
    (4, "linear_backward", "dA_prev = np.dot(W.T, dZ)", "dA_prev = np.dot(dZ, W.T)", "dA_prev", "factors swapped"),
    (4, "linear_forward", "Z = np.dot(W, A) + b", "Z = np.dot(A, W) + b", "Z", "factors swapped"),
    (4, "linear_forward", "Z = np.dot(W, A) + b", "Z = W * A + b", "Z", r"\* for matmul"),
]
FILES = {week: (LEARNERS / f"week{week}.py").read_text() for week in (2, 3, 4)}


def function_in(source: str, name: str) -> str:
    found = re.search(rf"^def {name}\(.*?(?=^\S|\Z)", source, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[0]


def verdict_of(week: int, name: str, text: str) -> Verdict:
    """The verdict on one function, its helpers being right."""
    namespace: dict[str, Any] = {"np": np, **right_functions(week)}
    exec(compile(text, "learner", "exec", optimize=1), namespace)  # without `assert`, as in the separate process
    [function] = [one for one in editions(name) if one.week == week][:1]
    return judge(function, in_process(namespace[name]), text)


def faulty(week: int, name: str, right: str, wrong: str) -> str:
    whole = function_in(FILES[week], name)
    # a pattern may reach into the next function only to say which of two lines is meant
    right, wrong = right.split("\n\n\ndef ")[0], wrong.split("\n\n\ndef ")[0]
    assert right in whole, (name, right)
    place = whole.rindex(right) if "cache = (linear_cache" in right else whole.index(right)
    return whole[:place] + wrong + whole[place + len(right):]
