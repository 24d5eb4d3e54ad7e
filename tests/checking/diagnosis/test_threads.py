"""Mistakes that people asked about in public, each with its thread, retyped as one line of a right function."""

import re

import pytest
from changes import Subject, subjects, verdict_of

SUBJECTS = {(subject.week, subject.name): subject for subject in subjects() if subject.style == "course"}
FORUM = "community.deeplearning.ai/t/"
COST = "cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))"
LOOP_CALL = 'linear_activation_backward(grads["dA" + str(l + 1)], current_cache, "relu")'

# thread; week and function; right, wrong; what is said of it
THREADS: list[tuple[str, int, str, str, str, str]] = [
    (FORUM + "119220", 2, "propagate", "np.dot(X, (A - Y).T)", "(X * (A - Y))", r"dw: \* for matmul"),
    (FORUM + "24805", 2, "propagate", "np.dot(X, (A - Y).T)", "np.multiply(X, A - Y)", r"dw: \* for matmul"),
    (FORUM + "119220#cost", 2, "propagate", COST, COST.replace("np.sum(", "("),
     "cost: sum (missing|over the wrong axis)"),
    (FORUM + "234194", 2, "propagate", COST, COST.replace("-1 / m", "1 / m"), "cost: sign"),
    ("datascience.stackexchange.com/questions/27146", 2, "propagate", COST,
     "cost = -1 / m * np.sum(np.dot(Y.T, np.log(A)) + np.dot((1 - Y).T, np.log(1 - A)))", "cost: an m x m matrix"),
    (FORUM + "19735", 2, "optimize", "w = w - learning_rate * dw\n        b = b - learning_rate * db",
     "w = w - 0.009 * dw\n        b = b - 0.009 * db", "learning rate 0.009 for the one given"),
    (FORUM + "31965", 3, "backward_propagation", "(1 - np.power(A1, 2))", "(1 - np.power(Z1, 2))", "dZ1: .*Z for A"),
    (FORUM + "63071", 3, "backward_propagation", "dZ1 = np.dot(W2.T, dZ2)", "dZ1 = 1 / m * np.dot(W2.T, dZ2)",
     "dZ1: 1/m where none belongs"),
    (FORUM + "402919", 3, "backward_propagation", "np.dot(W2.T, dZ2) * (1 - np.power(A1, 2))",
     "np.dot(np.dot(W2.T, dZ2), (1 - np.dot(A1.T, A1)))", "dZ1: matrix products where element-wise ones belong"),
    (FORUM + "402919#dW2", 3, "backward_propagation", "np.dot(W2.T, dZ2)", "np.dot(dW2.T, dZ2)", "dZ1: dW2 for W2"),
    (FORUM + "110003", 3, "backward_propagation", "np.dot(W2.T, dZ2) * (1 - np.power(A1, 2))",
     "np.dot(np.dot(W2.T, dZ2), 1 - np.power(A1, 2))", "dZ1: (matmul for|another function)"),
    (FORUM + "71024", 3, "backward_propagation", "np.dot(W2.T, dZ2) * (1", "np.dot(np.dot(W2.T, dZ2), 1", "dZ1"),
    (FORUM + "111582", 3, "forward_propagation", "np.dot(W1, X)", "(W1 * X)", r"Z1"),
    (FORUM + "241052", 4, "linear_backward", "np.dot(dZ, A_prev.T)", "np.multiply(A_prev, dZ)", "dW"),
    (FORUM + "241052#db", 4, "linear_backward", "np.sum(dZ, axis=1, keepdims=True)",
     "np.sum(dZ, axis=0, keepdims=True)", "db: sum over the wrong axis"),
    (FORUM + "241052#dA", 4, "linear_backward", "np.dot(W.T, dZ)", "np.multiply(dZ, W.T)", "dA_prev"),
    (FORUM + "674897", 4, "linear_backward", "np.dot(dZ, A_prev.T)", "(dZ * A_prev.T)", "dW"),
    ("github.com/Kulbear/deep-learning-coursera/issues/8", 4, "linear_backward", "np.sum(dZ, axis=1, keepdims=True)",
     "np.squeeze(np.sum(dZ, axis=1, keepdims=True))", "db"),
    ("github.com/Kulbear/deep-learning-coursera/issues/27", 4, "L_model_backward", LOOP_CALL,
     "linear_backward(sigmoid_backward(dAL, caches[1][1]), caches[0][0])",
     "the same cache|the last layer's dA|dAL for"),
    ("github.com/Kulbear/deep-learning-coursera/pull/20", 4, "L_model_backward", LOOP_CALL,
     LOOP_CALL.replace('"relu"', '"sigmoid"'), "sigmoid's derivative for relu's"),
]


@pytest.mark.slow
@pytest.mark.parametrize("thread, week, name, right, wrong, said", THREADS, ids=[thread for thread, *_ in THREADS])
def test_the_mistake_is_named_with_its_line(thread: str, week: int, name: str, right: str, wrong: str,
                                            said: str) -> None:
    subject: Subject = SUBJECTS[week, name]
    assert right in subject.source
    verdict = verdict_of(subject, subject.source.replace(right, wrong))
    assert verdict.wrong and verdict.mistakes, verdict
    found = "; ".join(f"{one.quantity}: {one.mistake}" for one in verdict.mistakes)
    assert re.search(said, found), found
    assert any(one.line for one in verdict.mistakes), verdict


@pytest.mark.parametrize("thread, note", [(FORUM + "66727", "with caches that no forward pass produced"),
                                          (FORUM + "723602", "right for one output unit")])
def test_what_is_right_with_a_note(thread: str, note: str) -> None:
    subject = SUBJECTS[3, "backward_propagation"]
    changed = {"66727": ("(1 - np.power(A1, 2))", "(1 - np.tanh(Z1) ** 2)"),
               "723602": ("np.dot(W2.T, dZ2) *", "np.multiply(W2.T, dZ2) *")}[thread.rpartition("/")[2]]
    verdict = verdict_of(subject, subject.source.replace(*changed))
    assert verdict.ok and note in " ".join(verdict.notes), verdict
