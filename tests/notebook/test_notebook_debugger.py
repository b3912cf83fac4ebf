"""The debugger of a real kernel, driven over its control channel as an editor does."""

import sys

import pytest
from jupyter_client.manager import KernelManager

pytestmark = pytest.mark.slow

BODY = """\
def penalty(x):
    return x / 10
lr = 0.5  # tune: uniform(0, 1)
loss = lr + penalty(lr)  # tune: minimize
"""


class Debugger:
    """Speaks the debug adapter protocol to one kernel."""

    def __init__(self, client):
        self.client = client
        self._sequence = 0

    def ask(self, command, **arguments):
        """A request's body; it must succeed."""
        self._sequence += 1
        request = {"type": "request", "command": command, "seq": self._sequence}
        message = self.client.session.msg("debug_request", request | {"arguments": arguments})
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                assert reply["content"].get("success", True), reply["content"]
                return reply["content"].get("body", {})

    def attach(self):
        self.ask("initialize", clientID="test", adapterID="", linesStartAt1=True)
        self.ask("attach", justMyCode=True)

    def run_to(self, code, line, times):
        """Run a cell with a breakpoint; the innermost frame and its names at each stop."""
        path = self.ask("dumpCell", code=code)["sourcePath"]
        points = [{"line": line}]
        set_ = self.ask("setBreakpoints", source={"path": path}, breakpoints=points)
        assert [point["verified"] for point in set_["breakpoints"]] == [True]
        self.ask("configurationDone")
        identity = self.client.execute(code)
        stops = []
        while True:
            message = self.client.get_iopub_msg(timeout=120)
            kind, content = message["msg_type"], message["content"]
            if kind == "debug_event" and content.get("event") == "stopped":
                stops.append(self._look(content["body"]["threadId"]))
                if len(stops) == times:
                    self.ask("setBreakpoints", source={"path": path}, breakpoints=[])
                self.ask("continue", threadId=content["body"]["threadId"])
            ours = message["parent_header"].get("msg_id") == identity
            if ours and kind == "status" and content["execution_state"] == "idle":
                return path, stops

    def _look(self, thread):
        frames = self.ask("stackTrace", threadId=thread)["stackFrames"]
        (scope, *_) = self.ask("scopes", frameId=frames[0]["id"])["scopes"]
        names = self.ask("variables", variablesReference=scope["variablesReference"])["variables"]
        return frames, {name["name"]: name["value"] for name in names}


@pytest.fixture(scope="module")
def debugger(tmp_path_factory, first_cell):
    """A debugger attached to a kernel with the extension loaded."""
    pytest.importorskip("debugpy")
    folder = tmp_path_factory.mktemp("debugged")
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv[:1] = [sys.executable, "-Xfrozen_modules=off"]
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)
    client.execute_interactive(first_cell(folder), timeout=120)
    client.execute_interactive(f"%%tune random -n 2 -q\n{BODY}", timeout=120)  # imports, untraced
    debugger = Debugger(client)
    debugger.attach()
    yield debugger
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize(
    "header", ["%%tune random", "# @tune random", "#! %%tune random", "# a note\n\n# @tune random"]
)
def test_a_breakpoint_in_a_tune_cell_stops_in_each_trial(debugger, header):
    """The line is the person's own, the frame is the cell's, and the trial's values are there."""
    cell = f"{header} -n 3 --seed 1\n{BODY}"
    line = cell.split("\n").index("loss = lr + penalty(lr)  # tune: minimize") + 1
    path, stops = debugger.run_to(cell, line, times=3)
    assert [frames[0]["line"] for frames, _ in stops] == [line] * 3
    assert {frames[0]["source"]["path"] for frames, _ in stops} == {path}
    values = [float(names["lr"]) for _, names in stops]
    assert values[0] == 0.5
    assert len(set(values)) == 3


@pytest.mark.parametrize("header", ["%%tune random", "# @tune random"])
def test_a_breakpoint_in_a_function_of_a_tune_cell_stops_there(debugger, header):
    """The caller below it on the stack is the cell's own line."""
    cell = f"{header} -n 2 --seed 2\n{BODY}"
    line = cell.split("\n").index("    return x / 10") + 1
    path, ((frames, names), *_) = debugger.run_to(cell, line, times=1)
    assert (frames[0]["name"], frames[0]["line"]) == ("penalty", line)
    assert (frames[1]["source"]["path"], frames[1]["line"]) == (path, line + 2)
    assert float(names["x"]) == 0.5


SPY = """\
import sys
from hpmagic.tracking.courier import Courier
seen, deliver = [], Courier._deliver_study
def spy(self):
    seen.append(sys.gettrace())
    deliver(self)
Courier._deliver_study = spy
"""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="debuggers trace no more, they monitor")
def test_a_debugger_does_not_follow_the_thread_that_delivers(debugger):
    """It would trace all of MLflow, for a study's end that takes three times as long."""
    for code in (SPY, f"%%tune random -n 2 -q\n{BODY}", "Courier._deliver_study = deliver"):
        debugger.client.execute_interactive(code, timeout=120)
    asked = {"seen": "seen"}
    reply = debugger.client.execute_interactive("", user_expressions=asked, timeout=60)
    assert reply["content"]["user_expressions"]["seen"]["data"]["text/plain"] == "[None]"
