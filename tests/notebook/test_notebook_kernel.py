"""In a real kernel: completion, exit status, tracebacks, payloads, saved notebooks."""

import re
import sys

import pytest
from jupyter_client.manager import KernelManager

pytestmark = pytest.mark.slow

CELL = (
    "{} random -n 3 --seed 1\nlr = 0.1  # tune: loguniform(1e-4, 1)\nloss = lr  # tune: minimize\n"
)


class Kernel:
    """A client of a kernel that asks and waits."""

    def __init__(self, client):
        self.client = client

    def run(self, code):
        """The reply's content, and the messages of the cell."""
        messages = []
        reply = self.client.execute_interactive(code, output_hook=messages.append, timeout=120)
        return reply["content"], messages

    def complete(self, code, at=None):
        at = len(code) if at is None else at
        identity = self.client.complete(code, at)
        while True:
            reply = self.client.get_shell_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == identity:
                return reply["content"]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory, first_cell):
    """A kernel with the extension loaded, shared by the tests of this file."""
    folder = tmp_path_factory.mktemp("kernel")
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)
    kernel = Kernel(client)
    assert kernel.run(first_cell(folder))[0]["status"] == "ok"
    yield kernel
    client.stop_channels()
    manager.shutdown_kernel(now=False)


@pytest.mark.parametrize(
    ("code", "word", "kind"),
    [
        ("%%tune ba", "bayes", "Gaussian process"),
        ("# @tune bayes --expe", "--experiment", "MLflow experiment"),
        ("%tune exp", "export", "a program"),
        ("%%tune\nlr = 0.1  # tune: logu", "loguniform(", "equally likely"),
        ("%%tune\nlr = 0.1  # tune: uniform(0, 1, st", "step=", "argument of uniform"),
    ],
)
def test_completion_comes_through_the_kernel(kernel, code, word, kind):
    """The front end gets the word, what it replaces, and its meaning."""
    content = kernel.complete(code)
    assert content["status"] == "ok"
    assert content["matches"] == [word]
    typed = code[content["cursor_start"] : content["cursor_end"]]
    assert word.startswith(typed)
    assert code.endswith(typed)
    (entry,) = content["metadata"]["_jupyter_types_experimental"]
    assert kind in entry["type"]


def test_metrics_complete_in_the_middle_of_a_cell(kernel):
    """The cursor stands on the first line, the names are below."""
    code = CELL.format("# @tune --minimize ")
    content = kernel.complete(code, len("# @tune --minimize "))
    assert content["matches"] == ["loss"]


def test_python_still_completes(kernel):
    """Elsewhere the kernel's own completions come as before."""
    kernel.run("a_long_name = 1")
    assert "a_long_name" in kernel.complete("a_long_n")["matches"]


@pytest.mark.parametrize("header", ["%%tune", "# @tune"])
def test_a_study_shows_one_picture(kernel, header):
    """One output that is updated in place; its last state is HTML and text."""
    reply, messages = kernel.run(CELL.format(header))
    assert reply["status"] == "ok"
    shown = [m for m in messages if m["msg_type"] in ("display_data", "update_display_data")]
    assert [m["msg_type"] for m in shown].count("display_data") == 1
    assert "text/html" in shown[-1]["content"]["data"]
    assert "3 complete" in shown[-1]["content"]["data"]["text/plain"]


def test_warnings_show_the_cells_first_line(kernel):
    """A second study of a cell is told of the first, under the line that began it."""
    cell = CELL.format("%%tune").replace("--seed 1", "--study twice")
    kernel.run(cell)
    _, messages = kernel.run(cell)
    text = "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")
    place, line = text.splitlines()
    assert "HpmagicWarning: study twice of this cell is in MLflow already" in place
    assert line.strip() == "%%tune random -n 3 --study twice"


@pytest.mark.parametrize("header", ["%%tune", "# note\n# @tune"])
def test_errors_stop_the_front_end_and_name_the_cell(kernel, header):
    """The reply says error; the traceback has the cell's number and the person's own line."""
    import nbformat  # takes seconds, which only these tests need

    code = CELL.format(header).replace("= lr", "= lr / 0")
    reply, messages = kernel.run(code)
    assert (reply["status"], reply["ename"]) == ("error", "ZeroDivisionError")
    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    text = nbformat.v4.output_from_msg(
        next(m for m in messages if m["msg_type"] == "error")
    ).traceback
    line = code.split("\n").index("loss = lr / 0  # tune: minimize") + 1
    plain = _without_colours("\n".join(text))
    assert f"Cell In[{reply['execution_count']}], line {line}" in plain
    assert "run_cell_magic" not in plain
    assert error["ename"] == "ZeroDivisionError"


def test_errors_of_other_processes_name_the_cell_too(kernel):
    """With trials in processes of their own the traceback is text, and says the same."""
    code = CELL.format("# note\n# @tune -j 2").replace("= lr", "= lr / 0")
    reply, messages = kernel.run(code)
    assert (reply["status"], reply["ename"]) == ("error", "ZeroDivisionError")
    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    plain = _without_colours("\n".join(error["traceback"]))
    assert f"Cell In[{reply['execution_count']}], line 4" in plain
    assert "loss = lr / 0" in plain
    assert "magics.py" not in plain


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("%%tune bays\nx = 1", "did you mean `bayes`?"),
        ("# @tune\nx = 1  # tune: int(3, 1)", "low <= high must hold"),
        ("%tune bst", "did you mean `best`?"),
    ],
)
def test_wrong_words_stop_the_front_end(kernel, code, words):
    """A mistake is an error to the front end, in one sentence."""
    reply, messages = kernel.run(code)
    assert reply["status"] == "error"
    said = [m["content"] for m in messages if m["msg_type"] in ("stream", "error")]
    text = "".join(c.get("text", "") or "\n".join(c["traceback"]) for c in said)
    assert words in text
    assert "run_cell_magic" not in text


def test_write_hands_the_cell_to_the_front_end(kernel):
    """The payload replaces the cell with the new version of the tune cell."""
    kernel.run(CELL.format("# first\n# @tune"))
    reply, _ = kernel.run("%tune write")
    (payload,) = reply["payload"]
    assert (payload["source"], payload["replace"]) == ("set_next_input", True)
    before = CELL.format("# first\n# @tune").split("\n")
    after = payload["text"].split("\n")
    assert [n for n, line in enumerate(before) if line != after[n]] == [2]
    assert after[2].endswith("  # tune: loguniform(1e-4, 1)")


def test_a_plot_is_an_image(kernel):
    """`%tune plot` shows a picture without any set-up."""
    kernel.run(CELL.format("%%tune"))
    reply, messages = kernel.run("%tune plot")
    assert reply["status"] == "ok"
    (result,) = [m["content"]["data"] for m in messages if m["msg_type"] == "execute_result"]
    assert "image/png" in result


def test_breakpoints_find_the_cell(kernel):
    """The code has the file name that the debugger gives to the cell, and the cell's lines."""
    cell = "# note\n# @tune random -n 1\ndef f():\n    return 1\nloss = f()  # tune: minimize\n"
    kernel.run(cell)
    check = (
        "from ipykernel.compiler import get_file_name\n"
        f"name = get_file_name({cell!r})\n"
        "assert f.__code__.co_filename == name, (f.__code__.co_filename, name)\n"
        "assert f.__code__.co_firstlineno == 3"
    )
    reply, _ = kernel.run(check)
    assert reply["status"] == "ok", reply


def test_run_all_stops_at_a_failing_study(store, tmp_path):
    """A notebook that is run from outside stops where a study fails."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    cells = [
        "%load_ext hpmagic",
        CELL.format("# @tune").replace("= lr", "= lr / 0"),
        "print('not reached')",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    client = NotebookClient(book, timeout=120, kernel_name="python3")
    with pytest.raises(CellExecutionError) as caught:
        client.execute(cwd=str(tmp_path))
    assert caught.value.ename == "ZeroDivisionError"
    assert book.cells[2].outputs == []


def _without_colours(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_trial_that_takes_too_long_is_ended_in_the_kernel(kernel):
    """By a signal on the main thread; the study goes on and the kernel's own handlers stay."""
    code = (
        "%%tune grid --trial-timeout 0.5s --study timed --quiet\n"
        "a = 1  # tune: int(1, 3)\n"
        "if a == 2: time.sleep(60)\n"
        "loss = a  # tune: minimize\n"
    )
    before = "import signal, time, hpmagic; alarm = signal.getsignal(signal.SIGALRM)"
    assert kernel.run(before)[0]["status"] == "ok"
    assert kernel.run(code)[0]["status"] == "ok"
    check = (
        "states = {t.params['a']: t.state.value for t in hpmagic.load('timed').record.trials}\n"
        "assert states == {1: 'complete', 2: 'failed', 3: 'complete'}, states\n"
        "assert signal.getsignal(signal.SIGALRM) is alarm"
    )
    assert kernel.run(check)[0]["status"] == "ok"
