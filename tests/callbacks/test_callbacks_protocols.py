"""One object fits the callback protocols of frameworks, by what they call on it."""

import copy
import pickle
from collections import namedtuple

import pytest
from in_a_trial import curve, prune_at, steps, trial

import hpmagic
from hpmagic.errors import ObjectiveError
from hpmagic.records import TrialState

Env = namedtuple("Env", "iteration begin_iteration end_iteration evaluation_result_list")


class KerasLike:
    """Calls what Keras' ``CallbackList`` calls."""

    def fit(self, epochs, callbacks, logs):
        for each in callbacks:
            each.set_params({"epochs": epochs})
            each.set_model(self)
            each.on_train_begin({})
        for epoch in range(epochs):
            for each in callbacks:
                each.on_epoch_begin(epoch, {})
                each.on_train_batch_begin(0, {})
                each.on_train_batch_end(0, {})
                each.on_test_begin({})
                each.on_test_batch_end(0, {})
                each.on_test_end({})
                each.on_epoch_end(epoch, logs(epoch))
        for each in callbacks:
            each.on_train_end({})


class LightningLike:
    """Calls what Lightning's trainer calls that this object answers."""

    def __init__(self, callbacks):
        self.callbacks = callbacks
        self.callback_metrics = {}
        self.current_epoch = 0
        self.sanity_checking = False

    def call(self, hook):
        for each in self.callbacks:
            getattr(each, hook)(self, None)

    def fit(self, epochs, every=1):
        self.call("on_fit_start")
        self.sanity_checking = True
        self.callback_metrics = {"val_loss": 99.0}
        self.call("on_validation_end")
        self.sanity_checking, self.callback_metrics = False, {}
        for self.current_epoch in range(epochs):
            if (self.current_epoch + 1) % every == 0:
                self.callback_metrics["val_loss"] = 1.0 / (self.current_epoch + 1)
                self.call("on_validation_end")
            self.callback_metrics["train_loss"] = 2.0 / (self.current_epoch + 1)
            self.call("on_train_epoch_end")
        self.call("on_train_end")


class XgboostLike:
    """Calls what XGBoost's ``CallbackContainer`` calls."""

    def train(self, rounds, callbacks, value=lambda n: 1.0 / (n + 1)):
        log = {"train": {"logloss": []}, "validation": {"logloss": [], "error": []}}
        model = self
        for each in callbacks:
            model = each.before_training(model)
            assert model is self
        for n in range(rounds):
            assert not any(each.before_iteration(model, n, log) for each in callbacks)
            log["train"]["logloss"].append(0.0)
            log["validation"]["logloss"].append(value(n))
            log["validation"]["error"].append(0.25)
            assert not any(each.after_iteration(model, n, log) for each in callbacks)
        for each in callbacks:
            assert each.after_training(model) is model


class LightgbmLike:
    """Does with callbacks what LightGBM's ``train`` does."""

    def train(self, rounds, callbacks, value=lambda n: 1.0 / (n + 1)):
        for n, each in enumerate(callbacks):
            each.__dict__.setdefault("order", n - len(callbacks))
        before = {each for each in callbacks if getattr(each, "before_iteration", False)}
        assert not before
        for n in range(rounds):
            results = [("valid_0", "l2", value(n), False), ("valid_1", "l2", 7.0, False)]
            for each in set(callbacks) - before:
                each(Env(n, 0, rounds, results))


def keras(epochs=3, metric="val_loss", logs="lambda n: {'loss': 1.0, 'val_loss': 1 / (n + 1)}"):
    return f"Net().fit({epochs}, [hpmagic.callback({metric!r})], {logs})"


def test_keras_epochs_become_a_curve():
    outcome = trial(keras(), "val_loss", Net=KerasLike)
    assert outcome.state is TrialState.COMPLETE
    assert curve(outcome, "val_loss") == [(0, 1.0), (1, 1 / 2), (2, 1 / 3)]
    assert outcome.values == {"val_loss": 1 / 3}


def test_keras_metric_may_come_every_few_epochs():
    logs = "lambda n: {'val_loss': 0.5} if n % 2 else {}"
    assert steps(trial(keras(5, logs=logs), "val_loss", Net=KerasLike), "val_loss") == [1, 3]


def test_lightning_validation_becomes_a_curve_without_the_sanity_check():
    text = "Trainer([hpmagic.callback('val_loss')]).fit(3)"
    outcome = trial(text, "val_loss", Trainer=LightningLike)
    assert curve(outcome, "val_loss") == [(0, 1.0), (1, 1 / 2), (2, 1 / 3)]


def test_lightning_does_not_repeat_a_validation_of_earlier_epochs():
    text = "Trainer([hpmagic.callback('val_loss')]).fit(5, every=2)"
    assert steps(trial(text, "val_loss", Trainer=LightningLike), "val_loss") == [1, 3]


def test_lightning_training_metric_is_taken_at_the_end_of_the_epoch():
    text = "Trainer([hpmagic.callback('train_loss')]).fit(3)"
    outcome = trial(text, "train_loss", Trainer=LightningLike)
    assert curve(outcome, "train_loss") == [(0, 2.0), (1, 1.0), (2, 2 / 3)]


@pytest.mark.parametrize("metric", ["validation-logloss", "logloss"])
def test_xgboost_rounds_become_a_curve(metric):
    text = f"Booster().train(3, [hpmagic.callback({metric!r}, name='loss')])"
    outcome = trial(text, "loss", Booster=XgboostLike)
    assert curve(outcome, "loss") == [(0, 1.0), (1, 1 / 2), (2, 1 / 3)]


def test_xgboost_cross_validation_gives_its_means():
    text = "Booster().train(2, [hpmagic.callback('validation-logloss')], lambda n: (0.5, 0.1))"
    outcome = trial(text, "validation-logloss", Booster=XgboostLike)
    assert curve(outcome, "validation-logloss") == [(0, 0.5), (1, 0.5)]


@pytest.mark.parametrize(("metric", "last"), [("valid_0-l2", 1 / 3), ("l2", 7.0)])
def test_lightgbm_rounds_become_a_curve(metric, last):
    text = f"Booster().train(3, [hpmagic.callback({metric!r}, name='loss')])"
    outcome = trial(text, "loss", Booster=LightgbmLike)
    assert steps(outcome, "loss") == [0, 1, 2]
    assert outcome.values == {"loss": last}


def test_a_pruner_ends_the_fit_that_calls_back():
    outcome = trial(keras(9), "val_loss", prune_at(2), Net=KerasLike)
    assert outcome.state is TrialState.PRUNED
    assert steps(outcome, "val_loss") == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "there"),
    [
        (keras(metric="val_los"), "did you mean `val_loss`?; there are loss, val_loss"),
        (keras(logs="lambda n: None"), "there are none"),
        ("Trees().train(1, [hpmagic.callback('valid_0-l1')])", "did you mean `valid_0-l2`?"),
    ],
)
def test_metric_that_never_comes_fails_the_trial_and_names_those_that_do(text, there):
    outcome = trial(text, "val_loss", Net=KerasLike, Trees=LightgbmLike)
    assert outcome.state is TrialState.FAILED
    assert isinstance(outcome.error, ObjectiveError)
    assert "training gave no metric of that name" in outcome.reason
    assert there in outcome.reason


def test_value_that_is_no_number_fails_the_trial():
    outcome = trial(keras(logs="lambda n: {'val_loss': 'low'}"), "val_loss", Net=KerasLike)
    assert outcome.reason.startswith("val_loss must be a number, but is of type str")


def test_nothing_happens_outside_a_trial():
    callback = hpmagic.callback("val_los")
    KerasLike().fit(2, [callback], lambda n: {"val_loss": 1.0})
    LightgbmLike().train(2, [callback])


def test_callback_kept_from_a_trial_reports_to_none_that_has_ended():
    outcome = trial(f"kept = hpmagic.callback('val_loss')\n{keras()}", "val_loss", Net=KerasLike)
    kept = outcome.bindings["kept"]
    KerasLike().fit(2, [kept], lambda n: {"val_loss": 1.0})
    assert len(outcome.reports) == 3


@pytest.mark.parametrize(
    "twin", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))]
)
def test_copies_report_the_same_metric_under_the_same_name(twin):
    callback = twin(hpmagic.callback("val_loss", name="loss"))
    assert (callback.metric, callback.name) == ("val_loss", "loss")
    assert repr(callback) == "hpmagic.callback('val_loss', name='loss')"
