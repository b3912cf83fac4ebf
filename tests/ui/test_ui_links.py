"""MLflow's pages: links to a study, and the server behind them."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

import hpmagic
from hpmagic import ui
from hpmagic.distributions import Int
from hpmagic.errors import StoreError
from hpmagic.records import (
    Direction,
    Objective,
    Origin,
    StudyInfo,
    StudyRecord,
    Trial,
    TrialState,
)
from hpmagic.serve import command
from hpmagic.space import Parameter, SearchSpace


def record(count, direction=Direction.MINIMIZE, name="loss"):
    distribution = Int(0, 10_000)
    info = StudyInfo(
        name="study",
        experiment="",
        tuner="random",
        tuner_options={},
        trials=count,
        seed=0,
        objectives=(Objective(name, direction),),
        space=SearchSpace((Parameter("x", distribution),)),
        constants={},
        source="",
        fingerprint="",
        start=0.0,
    )
    trials = tuple(
        Trial(
            number=n,
            state=TrialState.COMPLETE,
            params={"x": n},
            distributions={"x": distribution},
            values=(float(n),),
            metrics={name: float(n)},
            curves={},
            origin=Origin.TUNER,
            start=0.0,
            duration=0.1,
            run_id=f"run{n}",
        )
        for n in range(count)
    )
    return StudyRecord(info, trials, None, "parent", "7", "http://host:5000")


def query(link):
    """The page and the words behind a link's hash."""
    page, _, words = urlsplit(link).fragment.partition("?")
    return page, {name: value for name, (value,) in parse_qs(words).items()}


def test_the_comparison_holds_the_trials():
    """Every trial's run and the experiment are in the link, on MLflow's page for training."""
    page, words = query(ui.study_links(record(3), "http://host").compare)
    assert page == "/compare-runs"
    assert json.loads(words["runs"]) == ["run0", "run1", "run2"]
    assert json.loads(words["experiments"]) == ["7"]
    assert words["workflowType"] == "machine_learning"


@pytest.mark.parametrize(
    ("direction", "first", "up"),
    [(Direction.MINIMIZE, "run0", "true"), (Direction.MAXIMIZE, "run149", "false")],
)
def test_of_many_trials_the_best_are_compared(direction, first, up):
    """The link stays short; the table has all trials, the best first."""
    links = ui.study_links(record(150, direction), "http://host")
    runs = json.loads(query(links.compare)[1]["runs"])
    assert (len(runs), runs[0]) == (ui.MOST_COMPARED, first)
    assert "the best 100" in links.remark
    page, words = query(links.rows)
    assert page == "/experiments/7/runs"
    assert words["searchFilter"] == "tags.mlflow.parentRunId = 'parent'"
    assert (words["orderByKey"], words["orderByAsc"]) == ("metrics.`loss`", up)


def test_odd_names_are_those_that_mlflow_keeps():
    """A metric is sorted by under the key that it was logged under."""
    name = 'scores["auc"]'
    words = query(ui.study_links(record(2, name=name), "http://host").rows)[1]
    assert words["orderByKey"] == "metrics.`scores_auc-97543318`"


def test_the_links_show_as_text_and_html():
    """One line a link; in HTML they open beside the notebook and hide nothing in markup."""
    links = replace(ui.study_links(record(2), "http://host"), remark="<b>careful</b>")
    assert len(links.text().splitlines()) == 4
    html = links.html()
    assert html.count('target="_blank"') == 3
    assert "<b>careful" not in html


def test_a_remote_server_is_linked_to_and_none_is_started(monkeypatch):
    """Where the tracking URI is a server, its own pages are the study's; secrets stay out."""
    monkeypatch.setattr(ui, "Server", None)
    links = ui.links_to(replace(record(2), tracking_uri="https://me:pass@host:5000/mlflow/"))
    assert links.compare.startswith("https://host:5000/mlflow/#/compare-runs?")
    assert "pass" not in links.text()
    assert links.remark == ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"run_id": None}, "is not in MLflow, so it has no page there"),
        ({"tracking_uri": "databricks"}, "in your workspace's own pages"),
    ],
)
def test_what_has_no_page_is_refused(changes, sentence):
    """One sentence says why there is no link."""
    with pytest.raises(StoreError, match=sentence):
        ui.links_to(replace(record(1), **changes))


def test_a_server_that_fails_says_its_last_words(monkeypatch):
    """What MLflow printed last is in the message."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(StoreError, match="MLflow's server ended at once"):
        ui.server_for("sqlite:///nowhere.db")


def test_the_server_is_light_and_for_this_machine_only():
    """One worker, on loopback."""
    words = command(5001)
    assert words[words.index("--workers") + 1] == "1"
    assert words[words.index("--host") + 1] == "127.0.0.1"


KERNEL = """
import sys, hpmagic, hpmagic.ui
study = hpmagic.load("mine")
links = hpmagic.ui.links_to(study.record)
again = hpmagic.ui.links_to(study.record)
assert links == again
print(links.compare, flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("ending", ["orderly", "killed"])
def test_the_server_lives_as_long_as_its_kernel(store, ending):
    """One server a kernel; it answers, and it ends with the kernel, even if that is killed."""
    hpmagic.tune("x = 1  # tune: int(1, 9)\nloss = x  # tune: minimize", trials=2, study="mine")
    kernel = subprocess.Popen(
        [sys.executable, "-c", KERNEL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    link = kernel.stdout.readline().strip()
    address = link.partition("/#/")[0]
    with urllib.request.urlopen(f"{address}/health") as answer:
        assert answer.status == 200
    runs = json.loads(unquote(query(link)[1]["runs"]))
    with urllib.request.urlopen(f"{address}/api/2.0/mlflow/runs/get?run_id={runs[0]}") as answer:
        assert json.load(answer)["run"]["info"]["run_id"] == runs[0]
    guard = _children(kernel.pid)
    assert len(guard) == 1
    servers = _children(guard[0])
    if ending == "orderly":
        kernel.stdin.close()
    else:
        kernel.send_signal(signal.SIGKILL)
    kernel.wait()
    kernel.stdout.close()
    for process in (*guard, *servers):
        _wait_until_gone(process)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_the_command_serves_until_it_is_interrupted(store):
    """``hpmagic ui`` prints the address, serves, and ends well at Ctrl-C."""
    command = subprocess.Popen(
        [sys.executable, "-m", "hpmagic", "ui"], stdout=subprocess.PIPE, text=True
    )
    address = command.stdout.readline().partition("/#/")[0]
    with urllib.request.urlopen(f"{address}/health") as answer:
        assert answer.status == 200
    if sys.platform == "linux":
        assert _listeners(int(address.rpartition(":")[2])) == {"0100007F"}
    command.send_signal(signal.SIGINT)
    assert command.wait() == 0
    command.stdout.close()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{address}/health")


def _listeners(port):
    """The addresses at which anybody listens on a port, as the kernel writes them."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    lines += Path("/proc/net/tcp6").read_text().splitlines()[1:]
    sockets = [line.split() for line in lines]
    pairs = [local.split(":") for _, local, _, state, *_ in sockets if state == "0A"]
    return {address for address, number in pairs if int(number, 16) == port}


def test_the_stores_credentials_are_in_no_argument(monkeypatch):
    """Everybody on the machine can see those of every process."""
    started = []

    def start(words, **options):
        started.append((words, options["env"]))
        raise OSError("enough")

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(OSError, match="enough"):
        ui.Server("postgresql://me:s3cr3t@host/db")
    ((words, environment),) = started
    assert "s3cr3t" not in " ".join(words)
    assert "s3cr3t" in environment["MLFLOW_BACKEND_STORE_URI"]
    assert "s3cr3t" not in " ".join(command(5001))


def _children(process):
    words = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(word) for word in words.split()]


def _wait_until_gone(process):
    """Block until a process that is no child of ours has ended."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    import selectors

    try:
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            assert selector.select(60), f"process {process} is still there"
    finally:
        os.close(descriptor)
