"""Automatic differentiation for learners of neural networks.

A `Tensor` records the operations applied to it; `backward` replaces handwritten gradients. The models of the course
are in `tinygrad_course.models`, pictures in `tinygrad_course.visualize`.
"""
from tinygrad_course import interruption  # noqa: F401  first: Ctrl-C during the other imports
from tinygrad_course import data, nn, optim
from tinygrad_course.autodiff import detect_anomaly, grad, hessian, jacobian, no_grad
from tinygrad_course.errors import InputError
from tinygrad_course.gradcheck import gradcheck
from tinygrad_course.tensor import Tensor
from tinygrad_course.training import accuracy, checkpoint, compare_runs, fit, predict

__version__ = "0.1.0"

__all__ = ["InputError", "Tensor", "accuracy", "checkpoint", "compare_runs", "data", "detect_anomaly", "fit", "grad",
           "gradcheck", "hessian", "jacobian", "nn", "no_grad", "optim", "predict"]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def load_ipython_extension(shell: object) -> None:
    """`%load_ext tinygrad_course`: `%%check` above a cell checks its function, `check()` all functions so far."""
    from tinygrad_course.checking import magics
    magics.load(shell)
