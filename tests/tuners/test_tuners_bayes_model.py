"""The parts of the Gaussian process tuner: encoding, activity, targets, process, acquisition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from hpmagic.distributions import Choice, Int, LogUniform, Normal, Ordinal, Uniform
from hpmagic.tuners.bayes.acquisition import log_expected_improvement
from hpmagic.tuners.bayes.activity import Activity
from hpmagic.tuners.bayes.encoding import UNKNOWN, Column, Inputs, Points, features
from hpmagic.tuners.bayes.evidence import Evidence, Hyper
from hpmagic.tuners.bayes.feasibility import Feasibility
from hpmagic.tuners.bayes.observations import Observation, in_order_of_drawing
from hpmagic.tuners.bayes.process import GaussianProcess
from hpmagic.tuners.bayes.surrogate import Surrogate
from hpmagic.tuners.bayes.targets import Scale, standardised

DISTRIBUTIONS = [
    Uniform(-2, 3),
    Uniform(0, 1, step=0.25),
    LogUniform(1e-5, 10),
    Int(1, 9),
    Int(16, 256, log=True),
    Normal(0, 2),
    Choice(("a", "b", None)),
    Choice((64, 16, 32)),
    Ordinal(("small", "large")),
]


def plain(matrix: np.ndarray) -> Inputs:
    """Inputs with one coordinate a hyperparameter."""
    count = matrix.shape[1]
    return Inputs(matrix, np.arange(count), np.zeros(count, dtype=bool), float(count))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
@given(unit=st.floats(0, 1))
@settings(max_examples=50)
def test_snapping_a_unit_does_not_change_the_value_it_stands_for(distribution, unit):
    """A snapped unit is the unit of its own value."""
    column = Column.of("x", distribution)
    snapped = float(column.snap(np.array([unit]))[0])
    value = column.value(snapped)
    assert distribution.contains(value)
    assert column.unit(value) == pytest.approx(snapped, abs=1e-4)


def test_numbers_of_a_choice_are_put_in_order():
    """A list of numbers in any order is an ordered column; a pair or texts are not."""
    column = Column.of("batch", Choice((128, 32, 64)))
    assert column.ordered
    assert [column.value(column.unit(v)) for v in (32, 64, 128)] == [32, 64, 128]
    assert column.unit(32) < column.unit(64) < column.unit(128)
    assert not Column.of("flag", Choice((True, False))).ordered


@pytest.mark.parametrize(
    ("distribution", "value", "unit"),
    [
        (Uniform(0, 1), 7.0, 1.0),
        (LogUniform(1e-3, 1), 1e-9, 0.0),
        (LogUniform(1e-3, 1), -1.0, 0.0),
        (Int(1, 4), 99, 1.0),
        (Choice(("a", "b")), "c", UNKNOWN),
        (Choice((10, 20, 30)), 99, 5 / 6),
        (Int(1, 4), None, UNKNOWN),
        (Uniform(0, 1), "much", UNKNOWN),
        (Uniform(0, 1), math.nan, UNKNOWN),
        (Uniform(0, 1), math.inf, 1.0),
        (Uniform(0, 9, step=1), -math.inf, 0.0),
        (Int(1, 4), math.inf, 1.0),
        (Normal(0, 1), -math.inf, 0.0),
        (Uniform(0, 1), 10**400, 1.0),
        (Uniform(0, 1), -(10**400), 0.0),
    ],
)
def test_a_value_outside_the_range_lies_at_its_end(distribution, value, unit):
    """A default may lie anywhere; what is no number, or not listed, has no place."""
    assert Column.of("x", distribution).unit(value) == pytest.approx(unit)


def test_categories_are_equally_far_apart():
    """Any two categories are at distance 1."""
    column = Column.of("kernel", Choice(("a", "b", "c")))
    points = Points.of([{"kernel": column.unit(v)} for v in "abc"], [column])
    coordinates = features(points, [column], np.array([False])).features
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(coordinates[i] - coordinates[j]) == pytest.approx(1.0)


def test_not_reached_is_equally_far_from_every_value_and_agrees_with_itself():
    """Inactive values are a place of their own."""
    column = Column.of("degree", Uniform(0, 1))
    rows = [{"degree": 0.0}, {"degree": 0.4}, {"degree": 1.0}, {}, {}]
    coordinates = features(Points.of(rows, [column]), [column], np.array([True])).features
    far = [np.linalg.norm(coordinates[i] - coordinates[3]) for i in range(3)]
    assert far == pytest.approx([far[0]] * 3)
    assert far[0] > 0.3
    assert np.array_equal(coordinates[3], coordinates[4])


def test_a_branch_on_a_category_is_learned():
    """The rule of a hyperparameter is found from the trials that reached it."""
    columns = [
        Column.of("lr", Uniform(0, 1)),
        Column.of("kernel", Choice(("rbf", "poly", "linear"))),
        Column.of("degree", Int(2, 5)),
    ]
    rng = np.random.default_rng(0)
    rows = []
    for kernel in ("rbf", "poly", "linear") * 3:
        row = {"lr": rng.random(), "kernel": columns[1].unit(kernel)}
        rows.append(row | ({"degree": 0.5} if kernel == "poly" else {}))
    activity = Activity.learn(Points.of(rows, columns), columns)
    units = np.array([[0.3, columns[1].unit(k), 0.1] for k in ("poly", "rbf", "linear")])
    assert activity.predict(units)[:, 2].tolist() == [True, False, False]
    assert activity.conditional.tolist() == [False, False, True]


def test_a_loop_over_an_integer_is_learned():
    """Layers that a loop reaches are told by the number of layers, seen or not."""
    columns = [
        Column.of("layers", Int(1, 4)),
        *(Column.of(f"u{i}", Uniform(0, 1)) for i in range(4)),
    ]
    rows = [
        {"layers": columns[0].unit(n), **{f"u{i}": 0.2 * i for i in range(n)}} for n in (1, 2, 4, 4)
    ]
    activity = Activity.learn(Points.of(rows, columns), columns)
    units = np.full((2, 5), 0.5)
    units[:, 0] = [columns[0].unit(1), columns[0].unit(4)]
    assert activity.predict(units).tolist() == [[True, True] + [False] * 3, [True] * 5]


def test_what_a_failed_trial_did_not_come_to_draw_is_no_branch():
    """Where others went on from the same values; where none did, it may be out of reach."""
    columns = [Column.of("kind", Choice(("a", "b"))), Column.of("x", Uniform(0, 1))]
    rows = [{"kind": 0.25}, {"kind": 0.25, "x": 0.1}, {"kind": 0.75, "x": 0.4}]
    units = np.array([[0.25, 0.5], [0.75, 0.5]])
    failed = np.array([True, False, False])
    activity = Activity.learn(Points.of(rows, columns), columns, failed)
    assert activity.always.tolist() == [True, True]
    assert activity.predict(units)[:, 1].tolist() == [True, True]
    rows[1]["kind"] = 0.75
    activity = Activity.learn(Points.of(rows, columns), columns, failed)
    assert activity.predict(units)[:, 1].tolist() == [False, True]


def test_columns_come_in_the_order_in_which_trials_draw():
    """A function may stand above what decides whether it is called; where trials agree with what
    is written, or with nothing, it stays."""
    columns = [Column.of(name, Uniform(0, 1)) for name in "abcd"]

    def names(*orders):
        told = [Observation(dict.fromkeys(order, 0.5), 1.0) for order in orders]
        return "".join(c.name for c in in_order_of_drawing(columns, told))

    assert names("abcd", "acd", "bd") == "abcd"
    assert names("cab", "cd") == "cabd"
    assert names("dc", "ab") == "abdc"
    assert names("ab", "ba") == "abcd"
    assert names("e", "") == "abcd"


def test_no_points_have_no_activity():
    """An empty table is predicted to an empty table."""
    columns = [Column.of("kind", Choice(("a", "b"))), Column.of("x", Uniform(0, 1))]
    seen = Points.of([{"kind": 0.25, "x": 0.1}, {"kind": 0.75}], columns)
    assert Activity.learn(seen, columns).predict(np.empty((0, 2))).shape == (0, 2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=40))
def test_standardised_costs_keep_their_order_and_stay_small(costs):
    """Better trials stay better, and no disaster dominates."""
    result = standardised(np.array(costs))
    assert np.isfinite(result).all()
    order = np.argsort(costs, kind="stable")
    assert (np.diff(result[order]) >= -1e-9).all()
    assert abs(result.mean()) < 1e-6


@pytest.mark.parametrize("size", [5e-300, 1e-13, 1.0, 1e160, 1e300])
def test_the_unit_of_costs_does_not_matter(size):
    """Neither tiny nor huge ones are taken to be equal."""
    costs = np.array([0.1, 0.5, 0.2, 0.9, 0.4])
    assert standardised(costs * size) == pytest.approx(standardised(costs), abs=1e-5)
    scale = Scale.of(costs * size)
    assert scale.inverse(scale.forward(costs * size)) == pytest.approx(costs * size)


def test_costs_of_which_most_equal_the_best_are_not_all_equal():
    """On a plateau it is known where it is worse."""
    assert (standardised(np.array([1.0] * 9 + [2.0])) > 0).tolist() == [False] * 9 + [True]


def test_equal_costs_say_nothing():
    """A flat objective is all zeros, not a division by zero."""
    assert standardised(np.full(5, 3.0)).tolist() == [0.0] * 5


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_gradient_of_the_evidence_is_that_of_finite_differences(seed):
    """The analytic gradient is right."""
    rng = np.random.default_rng(seed)
    evidence = Evidence(plain(rng.random((8, 3))), rng.normal(size=8))
    vector = np.concatenate([rng.normal(-0.5, 0.5, 3), [0.3], [-3.0]])
    _, gradient = evidence.unlikelihood(vector)
    for index in range(5):
        step = np.zeros(5)
        step[index] = 1e-5
        up, down = evidence.unlikelihood(vector + step)[0], evidence.unlikelihood(vector - step)[0]
        assert gradient[index] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-5)


def test_a_process_predicts_what_it_has_seen():
    """With little noise the mean goes through the trials, and far away it does not know."""
    x = np.linspace(0, 1, 6)[:, None]
    costs = np.sin(3 * x[:, 0])
    hyper = Hyper(np.array([math.log(0.3)]), 0.0, math.log(1e-6))
    process = GaussianProcess.given(hyper, plain(x), costs)
    mean, deviation = process.predict(plain(np.vstack([x, [[9.0]]])))
    assert mean[:-1] == pytest.approx(costs, abs=1e-3)
    assert deviation[:-1].max() < 0.01
    assert deviation[-1] == pytest.approx(1.0, abs=1e-3)


def test_a_running_trial_takes_uncertainty_away_and_leaves_the_mean():
    """The kriging believer expects what the process expected."""
    x = np.linspace(0, 1, 5)[:, None]
    hyper = Hyper(np.array([math.log(0.2)]), 0.0, math.log(1e-6))
    process = GaussianProcess.given(hyper, plain(x), np.cos(5 * x[:, 0]))
    at = plain(np.array([[0.6]]))
    before, after = process.predict(at), process.believing(at).predict(at)
    assert after[0] == pytest.approx(before[0], abs=1e-4)
    assert after[1][0] < 0.1 * before[1][0]


def test_relevant_hyperparameters_get_shorter_length_scales():
    """What does not matter fades out."""
    rng = np.random.default_rng(1)
    x = rng.random((40, 2))
    evidence = Evidence(plain(x), standardised(np.sin(6 * x[:, 0])))
    mode = evidence.mode([Hyper.prior_mode(plain(x))], 40)
    assert mode.lengths[0] < mode.lengths[1] - 0.5


@given(z=st.floats(-6, 3), deviation=st.floats(0.05, 5))
@settings(max_examples=30, deadline=None)
def test_log_expected_improvement_is_the_logarithm_of_the_integral(z, deviation):
    """The closed form agrees with numerical integration."""

    def integrand(t: float) -> float:
        return max(z - t, 0.0) * math.exp(-t * t / 2) / math.sqrt(2 * math.pi)

    expected = math.log(deviation * quad(integrand, -12, z, epsabs=0, limit=200)[0])
    found = log_expected_improvement(np.array([-z * deviation]), np.array([deviation]), 0.0)
    assert found[0] == pytest.approx(expected, abs=1e-5)


def test_log_expected_improvement_tells_hopeless_points_apart():
    """Where the improvement is zero to machine precision, its logarithm still has a slope."""
    values = log_expected_improvement(np.logspace(1, 12, 50), np.ones(50), 0.0)
    assert np.isfinite(values).all()
    assert (np.diff(values) < 0).all()


def test_a_value_that_was_not_drawn_is_no_reason_for_a_failure():
    """Four trials broke down before they drew x, among six that went on from the same value."""
    columns = [Column.of("kind", Choice(("a", "b"))), Column.of("x", Uniform(0, 1))]
    went_on = [{"kind": 0.25, "x": x} for x in (0.05, 0.2, 0.35, 0.65, 0.8, 0.95)]
    told = [Observation(units, units["x"]) for units in went_on]
    told += [Observation({"kind": 0.25}, None)] * 4
    surrogate = Surrogate.fit(told, columns, np.random.default_rng(0))
    safe = Feasibility.of(surrogate)
    assert safe is not None
    units = np.array([[0.25, x] for x in (0.2, 0.5, 0.8)])
    low, middle, high = safe.log_probability(surrogate.inputs(surrogate.complete(units)))
    assert middle > min(low, high) - 0.1


def test_points_like_those_that_failed_are_unlikely_to_give_a_value():
    """The probability of a value is low among failures and high among successes."""
    x = np.linspace(0, 1, 20)[:, None]
    safe = Feasibility(plain(x), x[:, 0] > 0.7)
    low, high = np.exp(safe.log_probability(plain(np.array([[0.95], [0.2]]))))
    assert low < 0.3
    assert high > 0.9
