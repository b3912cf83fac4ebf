"""The callback in the frameworks themselves, as far as they are installed."""

import importlib

import numpy as np
import pytest
from in_a_trial import curve, prune_at, steps, trial

from hpmagic.records import TrialState

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

X = np.random.default_rng(0).normal(size=(120, 4)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype("int64")


def installed(module):
    """The module, or a skip that says what to install."""
    name = module.partition(".")[0]
    pytest.importorskip(name, reason=f"{name} is not installed: `pip install {name}` to run this")
    return importlib.import_module(module)


XGBOOST = """
model = xgboost.XGBClassifier(
    n_estimators=6,
    n_jobs=1,
    callbacks=[hpmagic.callback("validation_0-logloss", name="loss")],
)
model.fit(X, y, eval_set=[(X, y)], verbose=False)
history = model.evals_result()["validation_0"]["logloss"]
"""

LIGHTGBM = """
model = lightgbm.LGBMClassifier(n_estimators=6, n_jobs=1, verbose=-1)
model.fit(X, y, eval_set=[(X, y)], callbacks=[hpmagic.callback("binary_logloss", name="loss")])
history = next(iter(model.evals_result_.values()))["binary_logloss"]
"""

KERAS = """
import keras
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.layers.Dense(3, activation="relu"), keras.layers.Dense(1)])
model.compile(loss="mse")
fitted = model.fit(
    X, y, validation_split=0.25, epochs=6, verbose=0,
    callbacks=[hpmagic.callback("val_loss", name="loss")],
)
history = fitted.history["val_loss"]
"""

LIGHTNING = """
class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)

    def loss(self, batch):
        return torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

    def training_step(self, batch):
        return self.loss(batch)

    def validation_step(self, batch):
        loss = self.loss(batch)
        history.append((self.current_epoch, float(loss), self.trainer.sanity_checking))
        self.log("val_loss", loss)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

history = []
data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(y))
loader = torch.utils.data.DataLoader(data, batch_size=120)
trainer = L.Trainer(
    max_epochs=6, accelerator="cpu", logger=False, enable_checkpointing=False,
    enable_progress_bar=False, enable_model_summary=False,
    callbacks=[hpmagic.callback("val_loss", name="loss")],
)
trainer.fit(Net(), loader, loader)
"""


@pytest.fixture
def fit(request, monkeypatch, tmp_path):
    """Runs the cell of a framework as a trial."""
    monkeypatch.chdir(tmp_path)
    framework = request.param
    names = {"X": X, "y": Y}
    if framework == "keras":
        installed("torch")
        monkeypatch.setenv("KERAS_BACKEND", "torch")
        installed("keras")
        text = KERAS
    elif framework == "lightning":
        names |= {"torch": installed("torch"), "L": installed("lightning.pytorch")}
        text = LIGHTNING
    else:
        names[framework] = installed(framework)
        text = {"xgboost": XGBOOST, "lightgbm": LIGHTGBM}[framework]
    return lambda report=lambda _: None: trial(text, "loss", report, **names)


FRAMEWORKS = ["xgboost", "lightgbm", "keras", "lightning"]


@pytest.mark.parametrize("fit", FRAMEWORKS, indirect=True)
def test_curve_is_the_framework_s_own_history(fit):
    outcome = fit()
    assert outcome.state is TrialState.COMPLETE, outcome.output.traceback
    history = outcome.bindings["history"]
    if isinstance(history[0], tuple):
        history = [loss for _, loss, sanity in history if not sanity]
    assert steps(outcome, "loss") == list(range(6))
    assert [value for _, value in curve(outcome, "loss")] == pytest.approx(history, rel=1e-5)


@pytest.mark.parametrize("fit", FRAMEWORKS, indirect=True)
def test_pruner_leaves_the_framework_s_fit(fit):
    outcome = fit(prune_at(2))
    assert outcome.state is TrialState.PRUNED, outcome.output.traceback
    assert steps(outcome, "loss") == [0, 1, 2]
    assert fit().state is TrialState.COMPLETE


def test_xgboost_and_lightgbm_take_the_same_callback_in_their_functional_forms():
    xgboost, lightgbm = installed("xgboost"), installed("lightgbm")
    text = """
    data = xgboost.DMatrix(X, y)
    one = hpmagic.callback("train-rmse", name="loss")
    xgboost.train(
        {"nthread": 1}, data, 3, evals=[(data, "train")], verbose_eval=False, callbacks=[one]
    )
    other = hpmagic.callback("valid_0-l2", name="l2")
    train = lightgbm.Dataset(X, y)
    valid = lightgbm.Dataset(X, y, reference=train)
    lightgbm.train(
        {"objective": "l2", "num_threads": 1, "verbose": -1}, train, 4, [valid], callbacks=[other]
    )
    """
    outcome = trial(text, "loss", X=X, y=Y, xgboost=xgboost, lightgbm=lightgbm)
    assert outcome.state is TrialState.COMPLETE, outcome.output.traceback
    assert steps(outcome, "loss") == [0, 1, 2]
    assert steps(outcome, "l2") == [0, 1, 2, 3]


def test_plain_run_of_the_cell_trains_as_without_us():
    xgboost = installed("xgboost")
    import hpmagic

    names = {"X": X, "y": Y, "xgboost": xgboost, "hpmagic": hpmagic}
    exec(XGBOOST, names)
    assert len(names["history"]) == 6
