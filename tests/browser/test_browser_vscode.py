"""The live and the final view in VS Code's own workbench, in its light and dark themes.

Wants code-server (`tests/browser/install_code_server.sh` brings it) and, in
``HPMAGIC_CODE_SERVER``, the path of its ``entry.js``. A small notebook controller
(`vscode_bridge`) stands in for Microsoft's Jupyter extension, which cannot be had freely.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import served
from test_browser_lab import DEMOS, picture

ENTRY = os.environ.get("HPMAGIC_CODE_SERVER", "")
pytestmark = [
    pytest.mark.slow,
    served.needs_browser,
    pytest.mark.skipif(
        not Path(ENTRY).is_file(),
        reason="HPMAGIC_CODE_SERVER does not name code-server's entry.js: no VS Code to look at",
    ),
]
BRIDGE = Path(__file__).with_name("vscode_bridge")
SETTINGS = {
    "telemetry.telemetryLevel": "off",
    "workbench.startupEditor": "none",
    "security.workspace.trust.enabled": False,
    "update.mode": "none",
    "extensions.autoCheckUpdates": False,
}


def prepared(folder: Path, theme: str) -> Path:
    """A folder with the quickstart, and VS Code's own state beside it."""
    state = folder / "state"
    shutil.copytree(BRIDGE, state / "ext" / "hpmagic-tests.kernel-bridge-0.0.1")
    user = state / "user" / "User"
    user.mkdir(parents=True)
    settings = json.dumps({**SETTINGS, "workbench.colorTheme": theme})
    (user / "settings.json").write_text(settings)
    (state / "config.yaml").write_text("")
    work = folder / "work"
    work.mkdir()
    shutil.copy(DEMOS / "quickstart.ipynb", work)
    return work


def opened(page: Any, name: str) -> None:
    """Open a file by a double click; the first one may come before the workbench is ready."""
    from playwright.sync_api import TimeoutError as Unopened

    for _ in range(12):
        page.dblclick(f".explorer-folders-view >> text={name}")
        try:
            page.wait_for_selector(".notebookOverlay", timeout=10_000)
        except Unopened:
            picture(page, "vscode-not-open")
            continue
        return
    raise AssertionError(f"{name} does not open")


@pytest.mark.parametrize("theme", ["Default Light Modern", "Default Dark Modern"])
def test_the_views_show_in_vs_code(tmp_path: Path, theme: str) -> None:
    """The panel is seen to change, and ends as the final picture."""
    work = prepared(tmp_path, theme)
    port = served.free_port()
    url = f"http://127.0.0.1:{port}"
    state = tmp_path / "state"
    command = [
        "node", ENTRY, "--auth", "none", "--bind-addr", f"127.0.0.1:{port}",
        "--user-data-dir", str(state / "user"), "--extensions-dir", str(state / "ext"),
        "--config", str(state / "config.yaml"), "--disable-telemetry",
        "--disable-update-check", "--disable-workspace-trust", str(work),
    ]  # fmt: skip
    env = served.environment(tmp_path, BRIDGE_PYTHON=sys.executable)
    shade = "dark" if "Dark" in theme else "light"
    with (
        served.server(command, tmp_path, f"{url}/healthz", env),
        served.browser_page(tmp_path, 1400, 1100) as page,
    ):
        page.goto(f"{url}/?folder={work}")
        page.wait_for_selector(".explorer-folders-view >> text=quickstart.ipynb")
        page.wait_for_selector(".statusbar-item")
        opened(page, "quickstart.ipynb")
        page.wait_for_selector("text=Python (bridge)")  # before it, Run All asks for a kernel
        page.click("text=Run All")
        outputs = page.frame_locator("iframe.webview.ready").frame_locator("#active-frame")
        panel = outputs.locator(".hpm").first
        panel.wait_for()
        served.bring_into_view(panel)
        picture(page, f"vscode-live-{shade}")
        first = panel.inner_text()
        outputs.locator(".hpm[aria-label$='result']").wait_for()
        served.bring_into_view(panel)
        page.wait_for_timeout(1000)
        picture(page, f"vscode-final-{shade}")
        assert panel.inner_text() != first
        assert "accuracy" in panel.inner_text()
