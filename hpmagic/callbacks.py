"""Callbacks for frameworks whose ``fit`` owns its loop: Keras, Lightning, XGBoost, LightGBM."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from typing import Any, Final

from hpmagic.errors import ObjectiveError, nearest
from hpmagic.execution.current import current_trial

__all__ = ["TrialCallback", "callback"]


def callback(metric: str, *, name: str | None = None) -> TrialCallback:
    """An object for a framework's ``callbacks=[...]`` that reports a metric at each epoch or round.

    In a trial the reports are the metric's curve: they are logged, shown, and seen by the pruner,
    which may end the trial right there. In a plain run of the cell it does nothing.

    - Keras: ``model.fit(..., callbacks=[hpmagic.callback("val_loss")])``
    - Lightning: ``Trainer(callbacks=[hpmagic.callback("val_loss")])``
    - XGBoost: ``XGBClassifier(callbacks=[hpmagic.callback("validation_0-logloss")])``
    - LightGBM: ``model.fit(..., callbacks=[hpmagic.callback("valid_0-binary_logloss")])``

    Args:
        metric: as the framework calls it. For XGBoost and LightGBM "data-metric"; the metric alone
            means that of the last evaluation set.
        name: what the metric is called in the study; ``metric`` when None. An objective of that
            name (``--minimize val_loss``) takes its value from here.

    Raises:
        ObjectiveError: later, in the trial, when the framework never gave such a metric.

    >>> callback("val_loss")
    hpmagic.callback('val_loss')
    """
    return _class_for(_demanded())(metric, name)


class _Never:
    """LightGBM reads ``before_iteration`` as a flag, XGBoost calls it: no, and no."""

    def __bool__(self) -> bool:
        return False

    def __call__(self, *_: object) -> bool:
        return False


class TrialCallback:
    """Reports one metric to the running trial; see `callback`."""

    def __init__(self, metric: str, name: str | None = None) -> None:
        self.metric = metric
        self.name = metric if name is None else name
        self._given: dict[str, None] = {}
        self._reported = False
        self._after_validation = False

    def __repr__(self) -> str:
        name = "" if self.name == self.metric else f", name={self.name!r}"
        return f"hpmagic.callback({self.metric!r}{name})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Saved models and clones of estimators take it along; its class is made at run time."""
        return functools.partial(callback, name=self.name), (self.metric,)

    # Keras, and what Lightning has under the same names

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._report(logs or {}, epoch)

    def on_train_begin(self, *_: object) -> None:
        self._forget()

    def on_train_end(self, *_: object) -> None:
        self._check()

    def _ignore(self, *_: object, **__: object) -> None:
        return None

    set_params = set_model = on_epoch_begin = _ignore
    on_batch_begin = on_batch_end = on_train_batch_begin = on_train_batch_end = _ignore
    on_test_begin = on_test_end = on_test_batch_begin = on_test_batch_end = _ignore
    on_predict_begin = on_predict_end = on_predict_batch_begin = on_predict_batch_end = _ignore

    # Lightning

    def on_fit_start(self, *_: object) -> None:
        self._forget()

    def on_validation_end(self, trainer: Any, _module: Any) -> None:
        if trainer.sanity_checking:
            return
        # A metric that is there by the first validation is a validation's: the end of the epoch
        # would report it again, or one that is some epochs old.
        if not self._reported and self.metric in trainer.callback_metrics:
            self._after_validation = True
        if self._after_validation:
            self._report(trainer.callback_metrics, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Any, _module: Any) -> None:
        if not self._after_validation:
            self._report(trainer.callback_metrics, trainer.current_epoch)

    # XGBoost

    before_iteration = _Never()

    def before_training(self, model: Any) -> Any:
        self._forget()
        return model

    def after_iteration(self, _model: Any, epoch: int, log: Mapping[str, Any]) -> bool:
        self._report(_by_data(_last_values(log)), epoch)
        return False

    def after_training(self, model: Any) -> Any:
        self._check()
        return model

    # LightGBM

    def __call__(self, env: Any) -> None:
        if env.iteration == env.begin_iteration:
            self._forget()
        results = [(r[0], r[1], r[2]) for r in env.evaluation_result_list or ()]
        self._report(_by_data(results), env.iteration)
        self._check()

    def _forget(self) -> None:
        self._given, self._reported, self._after_validation = {}, False, False

    def _report(self, values: Mapping[str, Any], step: int) -> None:
        trial = current_trial()
        if trial is None:
            return
        self._given |= dict.fromkeys(values)
        if self.metric in values:
            self._reported = True
            trial.report_named(self.name, values[self.metric], step)

    def _check(self) -> None:
        """Some metrics come every few epochs; but one that never came is a mistake."""
        trial = current_trial()
        if trial is None or self._reported:
            return
        there = f"there are {', '.join(self._given)}" if self._given else "there are none"
        hint = nearest(self.metric, self._given)
        trial.fail(ObjectiveError(f"{self!r}: training gave no metric of that name{hint}; {there}"))


def _last_values(log: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """(data, metric, value) of the last round; cross-validation gives (mean, deviation)."""
    found = []
    for data, metrics in log.items():
        for metric, history in metrics.items():
            value = history[-1]
            found.append((data, metric, value[0] if isinstance(value, tuple) else value))
    return found


def _by_data(results: list[tuple[str, str, Any]]) -> dict[str, Any]:
    """Values by "data-metric", and by metric alone for the last evaluation set that has it."""
    return {metric: value for _, metric, value in results} | {
        f"{data}-{metric}": value for data, metric, value in results
    }


# What must be inherited from for a framework to take an object as a callback.
_BASES: Final = (
    ("xgboost.callback", "TrainingCallback"),
    ("lightning.pytorch", "Callback"),
    ("pytorch_lightning", "Callback"),
)


def _demanded() -> tuple[type, ...]:
    """Those of the frameworks that are loaded: an object for one that is not has no use."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in _BASES)
    return tuple(base for base in found if isinstance(base, type))


@functools.cache
def _class_for(bases: tuple[type, ...]) -> type[TrialCallback]:
    if not bases:
        return TrialCallback
    return type(TrialCallback.__name__, (TrialCallback, *bases), {"__module__": __name__})
