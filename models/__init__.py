"""The models of the course: each a thin Module with, below it, the course's closed-form gradient in plain NumPy."""
from tinygrad_course.models.deep_network import DeepNetwork
from tinygrad_course.models.logistic_regression import LogisticRegression
from tinygrad_course.models.planar_classifier import PlanarClassifier
from tinygrad_course.models.two_layer_network import TwoLayerNetwork

__all__ = ["DeepNetwork", "LogisticRegression", "PlanarClassifier", "TwoLayerNetwork"]


def __dir__() -> list[str]:
    return __all__
