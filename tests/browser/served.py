"""Real servers and a real browser, for tests of what has a face."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))),
    None,
)
PATIENCE = 240  # seconds: nobody but a failure ever waits so long
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: the pages cannot be looked at"
)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, **more: str) -> dict[str, str]:
    """This process's environment with every state directory inside ``folder``."""
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "HPMAGIC", "PYTEST"))
    }
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "run",
        "JUPYTERLAB_SETTINGS_DIR": "lab-settings",
        "JUPYTERLAB_WORKSPACES_DIR": "lab-workspaces",
        "IPYTHONDIR": "ipython",
        "HPMAGIC_HOME": "hpmagic",
    }
    for name, place in places.items():
        clean[name] = str(folder / ".state" / place)
        Path(clean[name]).mkdir(parents=True, exist_ok=True)
    return clean | more


@contextmanager
def server(command: list[str], folder: Path, url: str, env: Mapping[str, str]) -> Iterator[None]:
    """A server process, from the moment it answers at ``url`` until it has been ended."""
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen(
        command, cwd=folder, env=dict(env), stdout=log, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        _until_it_answers(process, url, folder / "server.log")
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        log.close()


def _until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text(errors='replace')[-4000:]}")


@contextmanager
def jupyterlab(folder: Path, dark: bool = False) -> Iterator[str]:
    """JupyterLab on ``folder``; gives the address without a path, and needs no token."""
    port = free_port()
    env = environment(folder)
    settings = {
        "notebook-extension/tracker": {"autoStartDefaultKernel": True, "windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "apputils-extension/themes": {"theme": f"JupyterLab {'Dark' if dark else 'Light'}"},
    }
    for name, values in settings.items():
        file = Path(env["JUPYTERLAB_SETTINGS_DIR"], f"@jupyterlab/{name}.jupyterlab-settings")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    kernels = Path(env["JUPYTER_DATA_DIR"]) / "kernels" / "python3"
    kernels.mkdir(parents=True)
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
    }
    (kernels / "kernel.json").write_text(json.dumps(spec))
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
        f"--notebook-dir={folder}",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with server(command, folder, f"{url}/api", env):
        yield url


@contextmanager
def mlflow_ui(folder: Path, uri: str) -> Iterator[str]:
    """MLflow's own server over a store; gives its address."""
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    env = environment(folder, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    with server(command, folder, f"{url}/health", env):
        yield url


@contextmanager
def browser_page(
    folder: Path, width: int = 1280, height: int = 900, scheme: str = "light"
) -> Iterator[Any]:
    """A page of a headless Chromium, for what the server of ``folder`` serves.

    What fails while the page is open fails with a note of what the page and the server said.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, timeout=PATIENCE * 1000,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                  "--disable-background-networking", "--disable-component-update",
                  "--disable-sync"],
        )  # fmt: skip
        try:
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page.set_default_timeout(PATIENCE * 1000)
            console: list[str] = []
            page.on("console", lambda message: console.append(message.text))
            page.on("pageerror", lambda error: console.append(str(error)))
            try:
                yield page
            except Exception as problem:
                problem.add_note(_seen(page, console, folder / "server.log"))
                raise
        finally:
            browser.close()


def _seen(page: Any, console: list[str], log: Path) -> str:
    try:
        dialogs = page.locator(".jp-Dialog, [role=dialog]").all_inner_texts()
        frames = [(frame.url, frame.inner_text("body", timeout=5000)) for frame in page.frames]
    except Exception as problem:  # a page that has gone must not hide what failed
        dialogs, frames = [], [("no page", str(problem))]
    parts = [
        *(f"A dialog was open:\n{text}" for text in dialogs),
        *(f"{url} showed:\n{text[-3000:]}" for url, text in frames),
        "\n".join(["The console's last lines:", *console[-20:]]),
        f"The server's last lines:\n{log.read_text(errors='replace')[-4000:]}",
    ]
    return "\n\n".join(parts)


def bring_into_view(element: Any) -> None:
    """Scroll to ``element`` at once: a live view never stands still to be waited for."""
    element.evaluate("e => e.scrollIntoView({block: 'nearest'})")


CONNECTED = """async name => {
  const sessions = await (await fetch('/api/sessions')).json();
  return sessions.some(s => s.path === name && s.kernel
    && s.kernel.execution_state === 'idle' && s.kernel.connections > 0);
}"""
PROMPTED = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
  .some(e => /\\[[*\\d]/.test(e.innerText))"""


class Notebook:
    """A notebook open in JupyterLab, driven as a person does."""

    def __init__(self, page: Any, url: str, name: str) -> None:
        self.page = page
        self.name = name
        page.goto(f"{url}/lab/tree/{name}", wait_until="domcontentloaded")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")

    def wait_for_kernel(self) -> None:
        """Until the server has an idle kernel for this notebook, and the page is connected to it.

        The page alone cannot be asked: its indicator says idle before there is a kernel, too.
        """
        self.page.wait_for_function(CONNECTED, arg=self.name, polling=200)
        self.page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')

    def run_all(self) -> None:
        """Run > Run All Cells, until the prompts show that it was heard; does not await the end."""
        from playwright.sync_api import TimeoutError as Unheard

        self.wait_for_kernel()
        for _ in range(6):  # the menu does nothing while JupyterLab still looks for its notebook
            self.page.click("text=Run >> nth=0")
            self.page.click('.lm-Menu-item[data-command="runmenu:run-all"]')
            try:
                self.page.wait_for_function(PROMPTED, timeout=30_000)
            except Unheard:
                continue
            return
        raise AssertionError("Run All Cells did nothing, six times")

    def outputs(self) -> list[str]:
        """The text of each code cell's output area."""
        return list(
            self.page.evaluate(
                "() => [...document.querySelectorAll('.jp-CodeCell')]"
                ".map(c => c.querySelector('.jp-Cell-outputArea')?.innerText ?? '')"
            )
        )

    def wait_until_done(self, cells: int) -> None:
        """Until the last code cell has its execution count."""
        self.page.wait_for_function(
            "n => { const p = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
            ".map(e => e.innerText); return p.length >= n && /\\[\\d+\\]/.test(p[n - 1]) }",
            arg=cells,
        )

    def save(self) -> None:
        """Control-S, until the file is not dirty any more."""
        self.page.keyboard.press("Control+s")
        self.page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
