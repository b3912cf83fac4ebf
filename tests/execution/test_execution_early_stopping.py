"""A loop with patience ends where the same loop with a hand-written break does."""

import re
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_trial import runner_of, trial

from hpmagic.records import TrialState

LOOPS = {
    "for": """
for epoch in range(len(losses)):
    seen.append(epoch)
    loss = losses[epoch]  #
    seen.append("rest")
else:
    seen.append("else")
""",
    "while": """
epoch = -1
while epoch + 1 < len(losses):
    epoch += 1
    loss = losses[epoch]  #
    seen.append(epoch)
else:
    seen.append("else")
""",
    "try and with": """
for loss_now in losses:
    try:
        with manager(seen):
            if loss_now is not None:
                loss = loss_now  #
                seen.append("rest")
    except ValueError:
        seen.append("never")
    finally:
        seen.append("finally")
else:
    seen.append("else")
""",
    "nested": """
for fold in range(2):
    for epoch, value in enumerate(losses):
        loss = value + fold  #
        seen.append((fold, epoch))
    else:
        seen.append("else")
    seen.append("fold")
""",
    "function": """
def fit(shift):
    for epoch, value in enumerate(losses):
        loss = value + shift  #
        seen.append(epoch)
    else:
        seen.append("else")
    return epoch if losses else None
seen.append([fit(0), fit(1)])
""",
    "method": """
class Net:
    def fit(self):
        while self.left:
            self.loss = self.left.pop(0)  #
            seen.append(len(self.left))
net = Net()
net.left = list(losses)
net.fit()
seen.append(net.left)
""",
}


class Manager:
    def __init__(self, seen):
        self.seen = seen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.seen.append("exit")


class Watch:
    """The rule of Keras' EarlyStopping, written out; each loop gets a new one."""

    def __init__(self, patience, min_delta, sign):
        self.patience, self.min_delta, self.sign = patience, min_delta, sign
        self.best, self.waited = inf, 0

    def __call__(self, loss):
        if self.sign * loss + self.min_delta < self.best:
            self.best, self.waited = self.sign * loss, 0
        else:
            self.waited += 1
        return self.waited >= self.patience


def by_hand(text, patience, min_delta, sign):
    """The text with the break that the comment stands for."""
    text = re.sub(
        r"( *)(self\.)?loss = (.*)  #\n", r"\g<0>\1if watch(\2loss):\n\1    break\n", text
    )
    made = "watch = Watch(patience, min_delta, sign)\n"
    # Before the loop that holds the assignment.
    return re.sub(r"(?m)^( *)((?:for|while) (?!fold).*:\n)", lambda m: m[1] + made + m[0], text), {
        "Watch": Watch,
        "patience": patience,
        "min_delta": min_delta,
        "sign": sign,
    }


LOSSES = st.lists(st.integers(-9, 9).map(float) | st.just(float("nan")), max_size=15)


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", LOOPS)
@given(LOSSES, st.integers(1, 4), st.sampled_from([0.0, 0.5, 2.0]), st.booleans())
@settings(max_examples=20, deadline=None)
def test_loop_does_what_the_hand_written_one_does(kind, losses, patience, min_delta, minimize):
    role = "minimize" if minimize else "maximize"
    text, names = by_hand(LOOPS[kind], patience, min_delta, 1 if minimize else -1)
    common = {"losses": losses, "manager": Manager}
    expected = common | names | {"seen": []}
    exec(text, expected)
    annotated = LOOPS[kind].replace(
        "  #", f"  # tune: {role}(patience={patience}, min_delta={min_delta})"
    )
    outcome = trial(f"seen = []\n{annotated}", dict(common))
    assert outcome.bindings["seen"] == expected["seen"]
    assert outcome.state is (TrialState.COMPLETE if outcome.reason == "" else TrialState.FAILED)
    assert outcome.bindings.get("epoch") == expected.get("epoch") or kind in ("function", "method")


def test_stopped_trial_is_complete_and_says_at_which_step():
    text = LOOPS["for"].replace("  #", "  # tune: minimize(patience=2)")
    outcome = trial(text, {"losses": [3.0, 2.0, 2.0, 2.0, 1.0], "seen": []})
    assert outcome.state is TrialState.COMPLETE
    assert outcome.notes == {"stopped_early": "loss at step 3"}
    assert outcome.values == {"loss": 2.0}


def test_later_runs_of_the_same_runner_are_patient_anew():
    text = LOOPS["for"].replace("  #", "  # tune: minimize(patience=2)")
    runner = runner_of(text, {"losses": [1.0] * 9, "seen": []})
    ends = [trial_of(runner) for _ in range(2)]
    assert ends == [2, 2]


def trial_of(runner):
    return runner.run(lambda p: p.default, lambda _: None).bindings["epoch"]
