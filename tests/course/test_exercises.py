"""The numbers of the course, once more: written down independently of the package, digit for digit."""

import dataclasses

import numpy as np
import pytest

from tinygrad_course.course.exercises import EXERCISES, Exercise, exercise_named
from tinygrad_course.errors import InputError

# As the course prints them, one every 100 iterations, every 1000 for the flower.
COSTS = {
    "logistic": """
        0.693147 0.584508 0.466949 0.376007 0.331463 0.303273 0.279880 0.260042 0.242941 0.228004
        0.214820 0.203078 0.192544 0.183033 0.174399 0.166521 0.159305 0.152667 0.146542 0.140872""",
    "planar": """
        0.693048 0.288083 0.254385 0.233864 0.226792 0.222644 0.219731 0.217504 0.21946 0.21856""",
    "two-layer": """
        0.693049735659989 0.6464320953428849 0.6325140647912678 0.6015024920354665 0.5601966311605748
        0.515830477276473 0.47549013139433255 0.4339163151225749 0.4007977536203889 0.3580705011323798
        0.339428153866412 0.30527536361962637 0.27491377282130164 0.24681768210614818 0.19850735037446612
        0.17448318112556635 0.1708076297809699 0.11306524562164708 0.09629426845937154 0.08342617959726871
        0.07439078704319087 0.06630748132267933 0.05919329501038172 0.053361403485605585 0.048554785628770226""",
    "four-layer": """
        0.771749 0.672053 0.648263 0.611507 0.567047 0.540138 0.527930 0.465477 0.369126 0.391747
        0.315187 0.272700 0.237419 0.199601 0.189263 0.161189 0.148214 0.137775 0.129740 0.121225
        0.113821 0.107839 0.102855 0.100897 0.092878""",
}
SETTINGS = {  # learning rate, iterations, how often the cost is printed, shapes of the parameters for 12288 or 2 inputs
    "logistic": (0.005, 2000, 100, [(12288, 1), ()]),
    "planar": (1.2, 10000, 1000, [(4, 2), (4, 1), (1, 4), (1, 1)]),
    "two-layer": (0.0075, 2500, 100, [(7, 12288), (7, 1), (1, 7), (1, 1)]),
    "four-layer": (0.0075, 2500, 100, [(20, 12288), (20, 1), (7, 20), (7, 1), (5, 7), (5, 1), (1, 5), (1, 1)]),
}
SCORES = {
    "logistic": ("99.04306220095694 %", "70.0 %"), "planar": (None, None),
    "two-layer": ("0.9999999999999998", "0.72"), "four-layer": ("0.9856459330143539", "0.8"),
}
CORRECT = {"logistic": (207, 35), "two-layer": (209, 36), "four-layer": (206, 40)}

every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=list(EXERCISES))


def test_the_four_models_in_the_order_of_the_course() -> None:
    assert list(EXERCISES) == list(COSTS)
    assert all(exercise.name == name for name, exercise in EXERCISES.items())


@every_exercise
def test_costs(exercise: Exercise) -> None:
    assert list(exercise.costs.values()) == COSTS[exercise.name].split()
    assert list(exercise.costs) == list(range(0, exercise.iterations, exercise.print_every))


@every_exercise
def test_settings(exercise: Exercise) -> None:
    shapes = [parameter.shape for parameter in exercise.make(12288 if exercise.images else 2).parameters()]
    assert (exercise.learning_rate, exercise.iterations, exercise.print_every, shapes) == SETTINGS[exercise.name]
    assert exercise.images == (exercise.name != "planar")
    assert exercise.least_accuracy == (None if exercise.images else 0.9)


@every_exercise
def test_scores_are_those_of_as_many_correct_examples(exercise: Exercise) -> None:
    """The accuracies that the course prints are those of so many correct examples, computed as the course does."""
    assert (exercise.train_score, exercise.test_score) == SCORES[exercise.name]
    for m, right, printed in zip((209, 50), CORRECT.get(exercise.name, ()), SCORES[exercise.name]):
        Y = np.zeros((1, m))
        assert exercise.score((np.arange(m) >= right).astype(int).reshape(1, m), Y) == printed
        assert exercise.score((np.arange(m) >= right - 1).astype(int).reshape(1, m), Y) != printed


def test_seeds_of_the_initial_weights() -> None:
    for name, seed in (("planar", 2), ("two-layer", 1), ("four-layer", 1)):
        make, draws = EXERCISES[name].make, np.random.RandomState(seed)
        scales = [1 / np.sqrt(n) for n in (3, 20, 7, 5)] if name == "four-layer" else [0.01, 0.01]
        for W, scale in zip(make(3).parameters()[::2], scales, strict=True):
            np.testing.assert_allclose(W.numpy(), draws.randn(*W.shape) * scale, rtol=1e-15)
        assert not np.array_equal(make(3).parameters()[0].numpy(), make(3, seed=5).parameters()[0].numpy())


# --- what counts as the same number ---------------------------------------------------------------

@pytest.mark.parametrize("name, iteration, cost, agrees", [
    ("logistic", 100, 0.5845084999, True),       # the six digits that are printed
    ("logistic", 100, 0.5845085001, False),
    ("logistic", 100, 0.5845074999, False),
    ("two-layer", 100, 0.6464320953428849 * (1 + 0.9e-9), True),
    ("two-layer", 100, 0.6464320953428849 * (1 + 1.1e-9), False),
    ("four-layer", 2400, 0.0928784, True),
    ("four-layer", 2400, 0.0928786, False),
    ("planar", 7000, 0.2175044, True),
    ("planar", 7000, 0.2175046, False),
    ("planar", 8000, 0.21946 + 4.9e-4, True),    # where rounding has grown
    ("planar", 9000, 0.21856 - 5.1e-4, False),
    ("planar", 9000, float("nan"), False),
    ("two-layer", 0, float("nan"), False),
    ("logistic", 0, float("nan"), False),
])
def test_agreement(name: str, iteration: int, cost: float, agrees: bool) -> None:
    assert EXERCISES[name].agrees(iteration, cost) is agrees


def test_costs_are_shown_with_the_digits_of_the_course() -> None:
    assert EXERCISES["logistic"].shown(600, 0.27988) == "0.279880"
    assert EXERCISES["two-layer"].shown(0, 0.693049735659989) == "0.693049735659989"
    assert EXERCISES["planar"].shown(8000, 0.219504) == "0.21950"


def test_exercises_cannot_be_changed_by_accident() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        EXERCISES["planar"].iterations = 1  # type: ignore[misc]


def test_unknown_name() -> None:
    assert exercise_named("planar") is EXERCISES["planar"]
    with pytest.raises(InputError, match="no model 'deep'; there are logistic, planar, two-layer, four-layer"):
        exercise_named("deep")
