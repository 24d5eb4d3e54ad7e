"""Everything in loops, one number at a time."""
import math
import numpy


def sigmoid(z):
    z = numpy.asarray(z, dtype=float)
    out = numpy.empty(z.shape)
    for index in numpy.ndindex(z.shape):
        out[index] = 1.0 / (1.0 + math.exp(-z[index]))
    return out


def propagate(w, b, X, Y):
    n, m = X.shape
    J = 0.0
    dw = numpy.zeros((n, 1))
    db = 0.0
    for i in range(m):
        z = b
        for j in range(n):
            z += w[j, 0] * X[j, i]
        a = 1 / (1 + math.exp(-z))
        y = Y[0, i]
        J += -(y * math.log(a) + (1 - y) * math.log(1 - a))
        dz = a - y
        for j in range(n):
            dw[j, 0] += X[j, i] * dz
        db += dz
    return {"db": db / m, "dw": dw / m}, J / m


def predict(w, b, X):
    labels = []
    for i in range(X.shape[1]):
        labels.append(1.0 if float(numpy.dot(w[:, 0], X[:, i]) + b) > 0 else 0.0)
    return numpy.array([labels])


def compute_cost(A2, Y, parameters=None):
    total = 0.0
    for a, y in zip(A2[0], Y[0]):
        total -= math.log(a) if y == 1 else math.log(1 - a)
    return total / len(Y[0])


def backward_propagation(parameters, cache, X, Y):
    W2, A1, A2 = parameters["W2"], cache["A1"], cache["A2"]
    n_h, m = A1.shape
    n_x = X.shape[0]
    dW1 = numpy.zeros((n_h, n_x))
    db1 = numpy.zeros((n_h, 1))
    dW2 = numpy.zeros(W2.shape)
    db2 = numpy.zeros((W2.shape[0], 1))
    for i in range(m):
        for k in range(W2.shape[0]):
            dz2 = A2[k, i] - Y[k, i]
            db2[k, 0] += dz2 / m
            for j in range(n_h):
                dW2[k, j] += dz2 * A1[j, i] / m
                dz1 = W2[k, j] * dz2 * (1 - A1[j, i] ** 2)
                db1[j, 0] += dz1 / m
                for f in range(n_x):
                    dW1[j, f] += dz1 * X[f, i] / m
    return dict(dW1=dW1, db1=db1, dW2=dW2, db2=db2)


def layer_sizes(X, Y):
    return len(X), 4, len(Y)
