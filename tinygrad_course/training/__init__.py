"""Training a model: `fit`, what all engines share, the progress bar, and trained models in files."""
from tinygrad_course.training import checkpoint
from tinygrad_course.training.fit import accuracy, fit, predict
from tinygrad_course.training.history import History, TrainingDiverged, TrainingInterrupted
from tinygrad_course.training.notices import EagerWarning, UntrainedWarning
from tinygrad_course.training.variants import compare_runs

__all__ = ["EagerWarning", "History", "TrainingDiverged", "TrainingInterrupted", "UntrainedWarning", "accuracy",
           "checkpoint", "compare_runs", "fit", "predict"]


def __dir__() -> list[str]:
    return __all__
