"""Terminal IPython, driven as a person would: tmux types and reads the screen."""

import re
import shutil
import subprocess
import sys
import time

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

PROMPT = r"In \[(\d+)\]:"


class Terminal:
    """A screen of tmux with IPython in it."""

    def __init__(self, folder, socket):
        self.socket = socket
        words = [sys.executable, "-m", "IPython", "--no-banner", "--no-confirm-exit"]
        self._tmux("new-session", "-d", "-x", "120", "-y", "60", "-c", str(folder), *words)

    def _tmux(self, *words):
        done = subprocess.run(
            ["tmux", "-S", self.socket, "-f", "/dev/null", *words],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def type(self, text, enter=True):
        self._tmux("send-keys", "-l", text)
        if enter:
            self._tmux("send-keys", "Enter")

    def press(self, key):
        self._tmux("send-keys", key)

    def screen(self):
        return self._tmux("capture-pane", "-p", "-S", "-200").rstrip("\n")

    def wait_for(self, pattern):
        """The screen, once it shows ``pattern``."""
        until = time.monotonic() + 90
        while time.monotonic() < until:
            screen = self.screen()
            if re.search(pattern, screen):
                return screen
            time.sleep(0.1)
        raise AssertionError(f"{pattern} was not seen:\n{screen}")

    def close(self):
        self._tmux("kill-server")


@pytest.fixture
def terminal(store, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    terminal = Terminal(tmp_path, str(tmp_path / "tmux"))
    terminal.wait_for(r"In \[1\]:")
    terminal.type("%load_ext hpmagic")
    terminal.wait_for(r"In \[2\]:")
    yield terminal
    terminal.close()


@pytest.mark.parametrize("header", ["%%tune", "# @tune"])
def test_a_study_in_a_terminal(terminal, header):
    """Typed line by line, the cell waits for a blank line; then the bar, the summary, the verbs."""
    for line in (
        f"{header} random -n 4 --seed 1",
        "lr = 0.1  # tune: loguniform(1e-4, 1)",
        "loss = lr  # tune: minimize",
        "",
        "",
    ):
        terminal.type(line)
    screen = terminal.wait_for(r"In \[3\]:")
    assert "Study loss-random-" in screen
    assert "4 complete" in screen
    assert "hpmagic trial=" not in screen
    terminal.type("%tune write")
    screen = terminal.wait_for(r"In \[4\]: \S")
    assert re.search(r"\+ lr = [0-9.e-]+  # tune: loguniform\(1e-4, 1\)", screen)
    assert f"In [4]: {header} random -n 4 --seed 1" in screen
    terminal.press("C-c")
    terminal.type("%tune exp", enter=False)
    terminal.press("Tab")
    terminal.wait_for(r"%tune export\b")


def test_an_error_in_a_terminal(terminal):
    """The traceback is the person's own, and the next prompt comes."""
    for line in (
        "# @tune random",
        "x = 1  # tune: int(1, 9)",
        "loss = x / 0  # tune: minimize",
        "",
    ):
        terminal.type(line)
    terminal.type("")
    screen = terminal.wait_for(r"In \[3\]:")
    assert "Cell In[2], line 3" in screen
    assert "run_cell_magic" not in screen
