"""Learned parameters are counted where they are known for certain."""

import numpy as np
import pytest
from one_trial import trial
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from hpmagic.execution.learned import learned_parameters

X = np.random.default_rng(0).normal(size=(30, 4))
Y = (X[:, 0] > 0).astype(int)


def test_fitted_attributes_are_counted_and_unfitted_estimators_are_not():
    fitted = LogisticRegression().fit(X, Y)
    counts = learned_parameters({"model": fitted, "later": SVC(), "accuracy": 0.5, "X": X})
    assert counts == {"model.coef_": 4, "model.intercept_": 1}


@pytest.mark.filterwarnings("ignore")
def test_layers_of_a_network_are_added_up():
    model = MLPClassifier((5, 3), max_iter=2).fit(X, Y)
    counts = learned_parameters({"model": model})
    assert counts == {
        "model.coefs_": 4 * 5 + 5 * 3 + 3 * 1,
        "model.intercepts_": 5 + 3 + 1,
    }


def test_estimators_inside_others_are_counted_once():
    scaler = StandardScaler()
    model = make_pipeline(scaler, LogisticRegression()).fit(X, Y)
    search = GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2).fit(X, Y)
    counts = learned_parameters({"model": model, "scaler": scaler, "same": model, "search": search})
    assert counts == {
        "model.mean_": 4,
        "model.scale_": 4,
        "model.coef_": 4,
        "model.intercept_": 1,
        "search.coef_": 4,
        "search.intercept_": 1,
    }


def test_a_forest_has_the_nodes_of_its_trees():
    forest = RandomForestClassifier(3, random_state=0).fit(X, Y)
    nodes = sum(tree.tree_.node_count for tree in forest.estimators_)
    assert learned_parameters({"forest": forest}) == {"forest.nodes": nodes}


def test_estimator_that_cannot_be_read_is_left_out():
    class Odd(LogisticRegression):
        def __init__(self):
            self.coef_ = OddArray()

    class OddArray:
        @property
        def size(self):
            raise RuntimeError("not now")

    assert learned_parameters({"odd": Odd()}) == {}


def test_object_whose_class_cannot_be_asked_for_is_left_out():
    """An unbound proxy, for example: even `isinstance` raises."""

    class Proxy:
        @property
        def __class__(self):
            raise RuntimeError("unbound")

    model = LogisticRegression().fit(X, Y)
    assert "model.coef_" in learned_parameters({"proxy": Proxy(), "model": model})


def test_a_trial_records_the_count_and_notes_where_it_is():
    outcome = trial(
        """
        C = 1.0  # tune: loguniform(0.1, 10)
        model = LogisticRegression(C=C).fit(X, y)
        accuracy = model.score(X, y)  # tune: maximize
        """,
        {"LogisticRegression": LogisticRegression, "X": X, "y": Y},
    )
    assert outcome.values["learned_parameters"] == 5.0
    assert outcome.notes == {"learned": "model.coef_ 4; model.intercept_ 1"}


def test_the_cell_s_own_metric_of_that_name_is_left_alone():
    outcome = trial(
        """
        model = LogisticRegression().fit(X, y)
        learned_parameters = 7  # tune: metric
        accuracy = model.score(X, y)  # tune: maximize
        """,
        {"LogisticRegression": LogisticRegression, "X": X, "y": Y},
    )
    assert outcome.values["learned_parameters"] == 7.0


@pytest.mark.slow
def test_networks_of_torch_have_the_numbers_that_require_gradients():
    torch = pytest.importorskip("torch", reason="torch is not installed: `pip install torch`")
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    net[2].bias.requires_grad_(False)
    assert learned_parameters({"net": net, "head": net[2]}) == {
        "net.weight": 18,
        "net.bias": 3,
    }
