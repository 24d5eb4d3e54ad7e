"""The derivative of the cost with respect to A, times that of the sigmoid, in place of A - Y; 1/m in dZ."""
import numpy as np


def sigmoid(z):
    return np.exp(z) / (1 + np.exp(z))


def propagate(w, b, X, Y):
    m = X.shape[1]
    A = sigmoid(np.dot(w.T, X) + b)
    cost = np.sum(-Y * np.log(A) - (1 - Y) * np.log(1 - A)) / m
    dA = -Y / A + (1 - Y) / (1 - A)
    dZ = dA * A * (1 - A) / m
    dw = np.dot(X, dZ.T)
    db = np.sum(dZ, axis=1, keepdims=True)
    return {"dw": dw, "db": db}, cost.reshape(1, 1)


def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    A1, A2 = cache["A1"], cache["A2"]
    dA2 = (-Y / A2 + (1 - Y) / (1 - A2)) / m
    dZ2 = dA2 * (A2 - A2 ** 2)
    dA1 = parameters["W2"].T.dot(dZ2)
    dZ1 = dA1 * (1 + A1) * (1 - A1)
    return {"dW1": dZ1.dot(X.T), "db1": dZ1.dot(np.ones((m, 1))),
            "dW2": dZ2.dot(A1.T), "db2": dZ2.dot(np.ones((m, 1)))}


def compute_cost(A2, Y):
    return np.squeeze(-(np.dot(Y, np.log(A2).T) + np.dot(1 - Y, np.log(1 - A2).T)) / Y.shape[1])
