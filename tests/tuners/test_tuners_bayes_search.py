"""The Gaussian process tuner as a whole: what it proposes, and from what."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from hpmagic.distributions import Choice, Int, LogUniform, Uniform
from hpmagic.records import Direction, Objective, Origin, Trial, TrialState
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.base import Proposal, TunerContext
from hpmagic.tuners.bayes import BayesTuner
from hpmagic.tuners.bayes.encoding import Column, Points
from hpmagic.tuners.bayes.middle import log_belief
from hpmagic.tuners.bayes.observations import costs_of

Cell = Callable[[Callable[[str], Any]], float | None]


class Bench:
    """Asks a tuner, runs a function of the values drawn, and tells."""

    def __init__(self, *parameters: Parameter, direction: str = "minimize", seed: int = 0) -> None:
        self.parameters = {p.name: p for p in parameters}
        objectives = (Objective("loss", Direction(direction)),)
        tree: Any = None
        space = SearchSpace(parameters)
        self.tuner = BayesTuner(TunerContext(space, objectives, 50, seed, tree))
        self.trials: list[Trial] = []

    def draw(self, proposal: Proposal, cell: Cell) -> tuple[dict[str, Any], float | None]:
        params: dict[str, Any] = {}

        def suggest(name: str) -> Any:
            params[name] = proposal.suggest(self.parameters[name])
            return params[name]

        return params, cell(suggest)

    def tell(
        self,
        params: Mapping[str, Any],
        value: float | None,
        origin: Origin = Origin.TUNER,
        state: TrialState | None = None,
    ) -> None:
        usual = TrialState.FAILED if value is None else TrialState.COMPLETE
        distributions = {n: self.parameters[n].distribution for n in params}
        trial = Trial(
            number=len(self.trials),
            state=state or usual,
            params=params,
            distributions={n: d for n, d in distributions.items() if d is not None},
            values=None if value is None else (value,),
            metrics={},
            curves={},
            origin=origin,
            start=0.0,
            duration=0.0,
        )
        self.trials.append(trial)
        self.tuner.tell(trial)

    def run(self, cell: Cell, count: int) -> list[Trial]:
        for _ in range(count):
            self.tell(*self.draw(self.tuner.ask(), cell))
        return self.trials


def values(trials: list[Trial]) -> list[float]:
    return [trial.values[0] for trial in trials if trial.values]


PLANE = (Parameter("x", Uniform(-5, 5)), Parameter("y", LogUniform(1e-4, 1)))


def bowl(suggest: Callable[[str], Any]) -> float:
    return (suggest("x") - 2) ** 2 + (np.log10(suggest("y")) + 1) ** 2


def test_it_finds_the_bottom_of_a_bowl():
    """Twenty trials come within a hundredth of the optimum of a quadratic."""
    assert min(values(Bench(*PLANE).run(bowl, 20))) < 0.01


def test_it_climbs_when_the_objective_is_maximised():
    """The direction is the objective's."""
    bench = Bench(*PLANE, direction="maximize")
    assert max(values(bench.run(lambda suggest: -bowl(suggest), 20))) > -0.01


def test_one_seed_gives_one_study():
    """The same seed proposes the same values, another seed others."""
    first, again, other = (
        [t.params for t in Bench(*PLANE, seed=seed).run(bowl, 10)] for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


@pytest.mark.slow
def test_another_session_proposes_what_the_first_would_have():
    """A fit starts from the one before, which a session that goes on has not seen."""
    names = [f"x{i}" for i in range(5)]
    space = [Parameter(name, Uniform(0, 1)) for name in names]
    rng = np.random.default_rng(0)

    def rough(suggest: Callable[[str], Any]) -> float:
        x = np.array([suggest(name) for name in names])
        ripples = 0.3 * np.sin(20 * x[0]) + 0.2 * rng.normal()
        return float((np.square(x - 0.3) * [1, 1, 0.05, 0.05, 0.05]).sum() + ripples)

    trials = Bench(*space).run(rough, 28)
    for ran in range(6, 28):
        later = Bench(*space)
        for trial in trials[:ran]:
            later.tell(trial.params, trial.values[0] if trial.values else None)
        params, _ = later.draw(later.tuner.ask(), rough)
        assert params == trials[ran].params


def test_linear_algebra_has_one_thread_from_the_beginning():
    """Also where a study is the first in its process to need any: idle threads take the cores."""
    ours = (
        "from hpmagic.tuners.bayes.surrogate import one_thread\n"
        "with one_thread():\n"
        "    import scipy.linalg, threadpoolctl\n"
        "    print({i['num_threads'] for i in threadpoolctl.threadpool_info()"
        " if i['user_api'] == 'blas'})"
    )
    command = [sys.executable, "-c", ours]
    told = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "2"},
    )
    assert told.stdout.strip() == "{1}"


def test_it_learns_from_trials_that_it_did_not_choose():
    """A good default outside the range draws the search to the nearest end."""
    bench = Bench(Parameter("x", Uniform(0, 1)), Parameter("y", Uniform(0, 1)))

    def cell(suggest: Callable[[str], Any]) -> float:
        return float((suggest("x") - 1) ** 2 + (suggest("y") - 0.5) ** 2)

    bench.tell({"x": 1.5, "y": 0.5}, 0.0, Origin.DEFAULT)
    assert min(values(bench.run(cell, 15)[1:])) < 0.02


@pytest.mark.slow
def test_the_right_branch_is_found_and_searched():
    """Values of branches not taken are neither asked for nor in the way."""
    bench = Bench(
        Parameter("kind", Choice(("a", "b", "c"))),
        Parameter("p", Uniform(0, 1), conditional=True),
        Parameter("q", Uniform(0, 1), conditional=True),
    )

    def cell(suggest: Callable[[str], Any]) -> float:
        kind = suggest("kind")
        if kind == "a":
            return 1.0 + suggest("p")
        return (suggest("q") - 0.3) ** 2 if kind == "b" else 2.0

    trials = bench.run(cell, 25)
    assert min(values(trials)) < 1e-3
    assert all(set(t.params) <= {"kind", "p", "q"} for t in trials)
    assert sum(t.params["kind"] == "b" for t in trials) > 10


def test_the_first_points_of_a_space_with_branches_stay_near_the_written_values():
    """Branches are told apart by sensible values; without branches the whole range is covered."""

    def spread(conditional: bool) -> float:
        bench = Bench(
            Parameter("kind", Choice(("a", "b"))),
            Parameter("x", Uniform(0, 1)),
            Parameter("p", Uniform(0, 1), conditional=conditional),
        )
        bench.tell({"kind": "a", "x": 0.8, "p": 0.5}, 1.0, Origin.DEFAULT)
        trials = bench.run(lambda suggest: len(suggest("kind")) + suggest("x") + suggest("p"), 4)
        assert {t.params["kind"] for t in trials} == {"a", "b"}
        return max(abs(t.params["x"] - 0.8) for t in trials[1:])

    assert spread(conditional=True) <= 0.24 + 1e-9
    assert spread(conditional=False) > 0.4


MIXED = (Parameter("x", Uniform(0, 1)), Parameter("kind", Choice(("a", "b", "c"))))


def test_the_middle_of_the_ranges_comes_after_the_written_values():
    """The first proposal has ordered values in the middle and categories as written."""
    bench = Bench(*MIXED)
    bench.tell({"x": 0.1, "kind": "c"}, 1.0, Origin.DEFAULT)
    assert bench.run(lambda suggest: float(suggest("x") + len(suggest("kind"))), 1)[1].params == {
        "x": 0.5,
        "kind": "c",
    }


def test_a_middle_that_was_written_is_not_tried_again():
    """Where the default lies in the middle, another point comes first."""
    bench = Bench(*MIXED)
    bench.tell({"x": 0.5, "kind": "c"}, 1.0, Origin.DEFAULT)
    found = bench.run(lambda suggest: float(suggest("x") + len(suggest("kind"))), 1)[1].params
    assert found != {"x": 0.5, "kind": "c"}


def test_the_belief_in_the_middle_fades():
    """The same point loses less of its worth after more trials, and categories cost nothing."""
    columns = [Column.of(p.name, p.distribution) for p in MIXED if p.distribution is not None]
    points = Points(np.array([[0.5, 1 / 6], [1.0, 0.5]]), np.ones((2, 2), dtype=bool))
    early, late = log_belief(points, columns, 5), log_belief(points, columns, 50)
    assert early[0] == late[0] == 0.0
    assert early[1] < late[1] < 0.0


def test_an_optimum_in_a_corner_is_found_all_the_same():
    """Trials outvote the belief in the middle."""
    bench = Bench(*(Parameter(name, Uniform(0, 1)) for name in "xyz"))

    def cell(suggest: Callable[[str], Any]) -> float:
        return float(sum((suggest(name) - 1.0) ** 2 for name in "xyz"))

    assert min(values(bench.run(cell, 20))) < 0.01


@pytest.mark.slow
def test_parameters_that_the_text_does_not_show_are_searched_too():
    """Names that appear while the cell runs become part of the model."""
    bench = Bench(Parameter("layers", Int(1, 3)))
    hidden = {f"units_{i}": Parameter(f"units_{i}", Int(1, 100)) for i in range(3)}
    bench.parameters |= hidden

    def cell(suggest: Callable[[str], Any]) -> float:
        return sum((suggest(f"units_{i}") / 100 - 0.7) ** 2 for i in range(suggest("layers")))

    assert min(values(bench.run(cell, 30))) < 0.003


def test_ranges_that_only_the_kernel_knows_are_drawn_from():
    """A deferred distribution is used as soon as it is there."""
    bench = Bench(Parameter("k", None, text="int(1, n)"))
    bench.parameters["k"] = Parameter("k", Int(1, 7))
    drawn = {t.params["k"] for t in bench.run(lambda suggest: float(suggest("k")), 7)}
    assert drawn <= set(range(1, 8))
    assert 1 in drawn


@pytest.mark.slow
def test_failures_are_avoided():
    """Where trials fail the search does not go on, and no value is made up for them."""

    def cell(suggest: Callable[[str], Any]) -> float | None:
        x = suggest("x")
        return None if x > 0 else abs(x - 5) + suggest("y")

    trials = Bench(*PLANE).run(cell, 40)
    late = trials[20:]
    assert sum(t.state is TrialState.FAILED for t in late) <= 12
    assert min(values(trials)) < 5.1


@pytest.mark.slow
def test_a_hyperparameter_above_its_condition_is_searched():
    """A function is written first and called, if at all, once its condition is drawn."""
    depth = Parameter("depth", Int(1, 1000), conditional=True)
    kind, x = Parameter("kind", Choice(("a", "b", "c"))), Parameter("x", Uniform(0, 1))

    def cell(suggest: Callable[[str], Any]) -> float:
        loss = ((suggest("depth") - 700) / 1000) ** 2 if suggest("kind") == "a" else 0.3
        return float(loss + 0.001 * suggest("x"))

    bench = Bench(depth, kind, x, seed=2)
    bench.tell({"kind": "c", "x": 0.5}, 0.3005, Origin.DEFAULT)
    deep = [t.params["depth"] for t in bench.run(cell, 24) if "depth" in t.params][-6:]
    assert sum(abs(value - 700) <= 20 for value in deep) >= 4


def test_a_default_that_is_no_number_has_no_place_in_the_model():
    """``None`` for 'no limit' is not the bottom of the range."""
    bench = Bench(Parameter("depth", Int(1, 32)), Parameter("x", Uniform(0, 1)))

    def cell(suggest: Callable[[str], Any]) -> float:
        return -suggest("depth") / 32 + 0.1 * suggest("x")

    bench.tell({"depth": None, "x": 0.5}, -0.95, Origin.DEFAULT)
    late = [t.params["depth"] for t in bench.run(cell, 12)[8:]]
    assert sum(depth >= 28 for depth in late) >= 4


def test_first_points_lie_in_the_range_where_the_default_is_no_number():
    """With branches they are drawn near the default, if that has a place."""
    optional = Parameter("gamma", Uniform(0, 1), conditional=True)
    bench = Bench(Parameter("depth", Int(1, 32)), optional)
    bench.tell({"depth": None}, 1.0, Origin.DEFAULT)
    depths = [t.params["depth"] for t in bench.run(lambda suggest: suggest("depth") * 1.0, 5)[1:]]
    assert len(set(depths)) >= 4


def test_a_trial_that_drew_nothing_takes_no_place():
    """It failed before its first draw; the middle of the ranges is still to come."""
    bench = Bench(*(Parameter(name, Uniform(0, 1)) for name in "xy"))
    bench.tell({}, None, Origin.DEFAULT)
    params, _ = bench.draw(bench.tuner.ask(), lambda suggest: suggest("x") + suggest("y"))
    assert params == {"x": 0.5, "y": 0.5}


def test_integers_that_no_float_holds_are_categories():
    """They are proposed like any other option."""
    huge = 10**400
    bench = Bench(Parameter("n", Choice((1, 2, huge))), Parameter("x", Uniform(0, 1)))
    trials = bench.run(lambda suggest: suggest("x") + (suggest("n") != huge), 12)
    assert sum(t.params["n"] == huge for t in trials) >= 5


def test_a_study_in_which_everything_fails_goes_on():
    """Failures alone are no model, and no error."""
    trials = Bench(*PLANE).run(lambda suggest: suggest("x") and None, 12)
    assert len({t.params["x"] for t in trials}) == 12


def test_no_configuration_of_a_finite_space_is_proposed_twice():
    """Sixteen trials of a space of sixteen are sixteen configurations once the first are told."""
    bench = Bench(Parameter("a", Int(1, 4)), Parameter("b", Choice(("p", "q", "r", "s"))))
    trials = bench.run(lambda suggest: suggest("a") * 1.0 + (suggest("b") == "q"), 14)
    searched = [tuple(t.params.values()) for t in trials[5:]]
    earlier = {tuple(t.params.values()) for t in trials[:5]}
    assert len(set(searched)) == len(searched)
    assert not earlier & set(searched)


def test_trials_asked_for_together_differ():
    """What is still running is taken into account."""
    bench = Bench(*PLANE)
    bench.run(bowl, 10)
    together = [bench.draw(bench.tuner.ask(), bowl)[0] for _ in range(4)]
    points = [(p["x"] / 10, np.log10(p["y"]) / 4) for p in together]
    gaps = [np.hypot(a[0] - b[0], a[1] - b[1]) for i, a in enumerate(points) for b in points[:i]]
    assert min(gaps) > 1e-3


def test_a_trial_told_late_frees_its_place():
    """Told proposals are running no more, in whatever order they end."""
    bench = Bench(*PLANE)
    proposals = [bench.tuner.ask() for _ in range(5)]
    ended = [bench.draw(p, bowl) for p in proposals]
    for params, value in reversed(ended):
        bench.tell(params, value)
    assert not bench.tuner._running


def test_a_pruned_trial_never_looks_better_than_the_median():
    """An early value is no final one."""
    bench = Bench(*PLANE)
    bench.run(bowl, 9)
    bench.tell({"x": -5.0, "y": 1e-4}, -1000.0, state=TrialState.PRUNED)
    costs = costs_of(bench.tuner._told)
    assert costs[-1] == pytest.approx(np.median(costs[:-1]))


@pytest.mark.slow
def test_noise_does_not_stop_it():
    """Noisy observations still lead near the optimum."""
    rng = np.random.default_rng(0)
    trials = Bench(*PLANE).run(lambda suggest: bowl(suggest) + rng.normal(0, 1), 40)
    late = [(t.params["x"] - 2) ** 2 + (np.log10(t.params["y"]) + 1) ** 2 for t in trials[25:]]
    assert np.median(late) < 3.0


def test_hundreds_of_trials_are_modelled_by_the_most_telling():
    """Beyond the limit the best, the newest and a sample of the rest are fitted."""
    bench = Bench(*PLANE)
    rng = np.random.default_rng(0)
    for _ in range(300):
        x, y = rng.uniform(-5, 5), 10 ** rng.uniform(-4, 0)
        bench.tell({"x": x, "y": y}, (x - 2) ** 2 + (np.log10(y) + 1) ** 2, Origin.TRY)
    assert min(values(bench.run(bowl, 6)[300:])) < 0.05
