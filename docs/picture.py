"""Makes docs/study.png: the final view of the quickstart's study, as a browser shows it.

    python docs/picture.py

Runs demos/quickstart.ipynb in an empty folder and photographs the study's output with Chromium.
Wants the packages of the `test` extra.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
WIDTH = 860


def studied(folder: Path) -> str:
    """The HTML of the first study in the executed quickstart."""
    notebook: Any = nbformat.read(HERE.parent / "demos" / "quickstart.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            html: str = output.get("data", {}).get("text/html", "")
            if 'class="hpm"' in html:
                return html
    raise SystemExit("the quickstart showed no study")


def photograph(html: str, target: Path) -> None:
    """A picture of ``html`` alone, twice as sharp as it is wide."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 400}, device_scale_factor=2)
        style = "margin:0;padding:20px;background:#fff;font-family:system-ui,sans-serif"
        page.set_content(f'<body style="{style}"><div id="study">{html}</div></body>')
        page.locator("body").screenshot(path=str(target))
        browser.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        photograph(studied(Path(folder)), HERE / "study.png")


if __name__ == "__main__":
    main()
