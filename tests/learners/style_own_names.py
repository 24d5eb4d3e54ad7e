"""Other variable names, @ for np.dot, m taken from elsewhere, means for sums over m, and nested helpers."""
import numpy as np

EPOCHS = 100


def sigmoid(logits):
    return np.where(logits >= 0, 1 / (1 + np.exp(-np.abs(logits))), 1 - 1 / (1 + np.exp(-np.abs(logits))))


def initialize_with_zeros(number_of_features):
    return np.full((number_of_features, 1), 0.0), 0


def propagate(weights, bias, data, labels):
    predicted = sigmoid(weights.T @ data + bias)
    error = predicted - labels
    n_examples = labels.size
    loss = (-labels * np.log(predicted) - (1 - labels) * np.log(1 - predicted)).mean()
    return {"dw": data @ error.T / n_examples, "db": error.mean()}, loss


def optimize(weights, bias, data, labels, steps=EPOCHS, alpha=0.009, verbose=False):
    from copy import deepcopy
    weights, bias = deepcopy(weights), deepcopy(bias)
    history, step = [], 0
    while step < steps:
        gradients, loss = propagate(weights, bias, data, labels)
        weights = weights + alpha * -gradients["dw"]
        bias -= alpha * gradients["db"]
        if not step % 100:
            history += [loss]
        step += 1
    return {"w": weights, "b": bias}, gradients, history


def predict(weights, bias, data):
    return (sigmoid(weights.T @ data + bias) >= 0.5).astype(int)


def backward_propagation(params, saved, inputs, targets):
    def mean_outer(left, right):
        return left @ right.T / left.shape[1]

    def mean_columns(matrix):
        return np.mean(matrix, 1, keepdims=True)

    delta_out = saved["A2"] - targets
    delta_hidden = params["W2"].T @ delta_out * (1 - np.tanh(saved["Z1"]) ** 2)
    return {"dW1": mean_outer(delta_hidden, inputs), "db1": mean_columns(delta_hidden),
            "dW2": mean_outer(delta_out, saved["A1"]), "db2": mean_columns(delta_out)}


def linear_activation_backward(dA, cache, activation):
    (before, matrix, _), pre = cache
    if activation == "relu":
        delta = np.array(dA, copy=True)
        delta[pre <= 0] = 0
    else:
        s = sigmoid(pre)
        delta = dA * s * (1 - s)
    return matrix.T @ delta, delta @ before.T / delta.shape[1], delta.sum(axis=1, keepdims=True) / delta.shape[1]


def L_model_backward(last, targets, caches):
    grads = {}
    upstream = -targets / last + (1 - targets) / (1 - last)
    for number in range(len(caches), 0, -1):
        kind = "sigmoid" if number == len(caches) else "relu"
        upstream, grads[f"dW{number}"], grads[f"db{number}"] = linear_activation_backward(
            upstream, caches[number - 1], kind)
        grads[f"dA{number}"] = upstream
    return grads
