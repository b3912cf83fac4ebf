"""Training loops of libraries work by annotation alone, as they would by hand."""

import numpy as np
import pytest
from one_trial import run, runner_of, steps, trial
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

from hpmagic.execution.outcome import Pruned
from hpmagic.records import TrialState

X = np.random.default_rng(0).normal(size=(80, 4))
Y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int)
NAMES = {"X": X, "y": Y, "log_loss": log_loss, "np": np}

PARTIAL_FIT = """
alpha = 1e-3  # tune: loguniform(1e-6, 1)
model = SGDClassifier(loss="log_loss", alpha=alpha, random_state=0)
for epoch in range(12):
    model.partial_fit(X[:40], y[:40], classes=[0, 1])
    loss = log_loss(y[40:], model.predict_proba(X[40:]))  # tune: minimize(patience=3)
"""

WARM_START = """
depth = 3  # tune: int(1, 8)
forest = RandomForestClassifier(max_depth=depth, warm_start=True, random_state=0)
for n in range(5, 30, 5):
    forest.set_params(n_estimators=n).fit(X[:40], y[:40])
    accuracy = forest.score(X[40:], y[40:])  # tune: maximize
"""


def prune_at(name, step):
    def report(report):
        if (report.name, report.step) == (name, step):
            raise Pruned

    return report


def test_partial_fit_loop_has_a_curve_and_stops_as_by_hand():
    outcome = trial(PARTIAL_FIT, NAMES | {"SGDClassifier": SGDClassifier}, {"alpha": 1e-2})
    model = SGDClassifier(loss="log_loss", alpha=1e-2, random_state=0)
    best, wait, losses = np.inf, 0, []
    for _ in range(12):
        model.partial_fit(X[:40], Y[:40], classes=[0, 1])
        losses.append(log_loss(Y[40:], model.predict_proba(X[40:])))
        best, wait = (losses[-1], 0) if losses[-1] < best else (best, wait + 1)
        if wait >= 3:
            break
    reported = [r.value for r in outcome.reports if r.name == "loss"]
    assert reported == losses
    assert outcome.notes["learned"] == "model.coef_ 4; model.intercept_ 1"


def test_warm_start_loop_counts_by_its_own_counter():
    names = NAMES | {"RandomForestClassifier": RandomForestClassifier}
    outcome = trial(WARM_START, names)
    assert steps(outcome, "accuracy") == [5, 10, 15, 20, 25]
    pruned = trial(WARM_START, names, report=prune_at("accuracy", 10))
    assert pruned.state is TrialState.PRUNED
    assert pruned.bindings["forest"].n_estimators == 10


TORCH = """
lr = 0.1  # tune: loguniform(1e-3, 1)
decay = 0.9  # tune: uniform(0.5, 1)
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=lr)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, decay)
loader = torch.utils.data.DataLoader(data, batch_size=20, shuffle=True)
for epoch in range(6):
    net.train()
    for inputs, labels in loader:
        optimizer.zero_grad()
        train_loss = torch.nn.functional.cross_entropy(net(inputs), labels)  # tune: metric
        train_loss.backward()
        optimizer.step()
    scheduler.step()
    rate = scheduler.get_last_lr()[0]  # tune: metric
    net.eval()
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(net(inputs), labels)  # tune: minimize
"""


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed: `pip install torch`")


@pytest.fixture
def names(torch):
    features, labels = torch.tensor(X, dtype=torch.float32), torch.tensor(Y)
    return {"torch": torch, "data": torch.utils.data.TensorDataset(features, labels)}


@pytest.mark.slow
def test_torch_loop_has_its_curves_its_schedule_and_its_counts(names):
    outcome = trial(TORCH, names, {"lr": 0.2, "decay": 0.5})
    assert outcome.state is TrialState.COMPLETE, outcome.output.traceback
    assert steps(outcome, "loss") == list(range(6))
    assert steps(outcome, "train_loss") == list(range(24))
    rates = [r.value for r in outcome.reports if r.name == "rate"]
    assert rates == pytest.approx([0.2 * 0.5**n for n in range(1, 7)])
    assert outcome.notes["learned"] == "net.weight 48; net.bias 10"
    assert outcome.values["learned_parameters"] == 58


@pytest.mark.slow
def test_pruned_torch_trials_begin_with_the_same_weights(names):
    runner = runner_of(TORCH, names)
    trials = [run(runner, report=prune_at("loss", 2)) for _ in range(2)]
    assert [t.state for t in trials] == [TrialState.PRUNED] * 2
    losses = [[r.value for r in t.reports if r.name == "loss"] for t in trials]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 3
