"""The quickstart in a real JupyterLab, and its study in a real MLflow, both in a real browser.

``HPMAGIC_PICTURES=FOLDER`` keeps the screenshots for people to look at.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import served

from hpmagic.cells import read_cells

pytestmark = [pytest.mark.slow, served.needs_browser]

DEMOS = Path(__file__).resolve().parents[2] / "demos"
PANEL = ".jp-OutputArea-output .hpm"


@dataclass
class Ran:
    """What the browser saw of one run of the quickstart."""

    folder: Path
    panels: list[str]
    heights: list[float]
    final: str
    messages: list[str]


def picture(page: Any, name: str, **options: Any) -> None:
    """Keep a screenshot, if somebody wants to look at it."""
    folder = os.environ.get("HPMAGIC_PICTURES")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}.png"), **options)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The quickstart, run from the menu of a JupyterLab, and saved."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(DEMOS / "quickstart.ipynb", folder)
    with served.jupyterlab(folder) as url, served.browser_page(folder, 1280, 1000) as page:
        messages: list[str] = []
        page.on("pageerror", lambda error: messages.append(str(error)))
        notebook = served.Notebook(page, url, "quickstart.ipynb")
        cells = len(read_cells(folder / "quickstart.ipynb"))  # not all may be in the page yet
        page.evaluate(WATCH)
        notebook.run_all()
        page.wait_for_selector(PANEL)
        served.bring_into_view(page.locator(PANEL).first)
        picture(page, "lab-live")
        notebook.wait_until_done(cells)
        states = page.evaluate("() => window.hpmStates")
        panel = page.locator(PANEL).first
        served.bring_into_view(panel)
        picture(page, "lab-final")
        final = panel.inner_text()
        notebook.save()
        return Ran(
            folder, [s["text"] for s in states], [s["height"] for s in states], final, messages
        )


WATCH = """() => {
  window.hpmStates = [];
  const look = () => {
    const panel = document.querySelector('.jp-OutputArea-output .hpm');
    if (!panel) return;
    const text = panel.innerText, last = window.hpmStates.at(-1);
    if (!last || last.text !== text)
      window.hpmStates.push({text, height: panel.getBoundingClientRect().height});
  };
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
}"""


def test_the_live_view_changes_while_trials_run(ran: Ran) -> None:
    """Many different states were in the page, of one height, before the final one."""
    running = ran.panels[:-1]
    assert len(running) >= 5
    assert ran.messages == []
    assert len({round(h) for h in ran.heights[:-1]}) <= 2


def test_the_final_view_says_what_a_person_wants_to_know(ran: Ran) -> None:
    """The best, how much better than the written values, and the values to set."""
    assert "accuracy" in ran.final
    assert "25 trials" in ran.final
    assert "better than your" in ran.final or "your own values" in ran.final
    assert "gamma" in ran.final


def saved(ran: Ran) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads((ran.folder / "quickstart.ipynb").read_text())
    return notebook


def study_output(notebook: dict[str, Any]) -> dict[str, Any]:
    found = [
        output
        for cell in notebook["cells"]
        for output in cell.get("outputs", ())
        if "hpm" in "".join(output.get("data", {}).get("text/html", ""))
    ]
    assert found
    first: dict[str, Any] = found[0]
    return first


def test_the_saved_notebook_holds_one_small_final_view(ran: Ran) -> None:
    """One output of the study's cell, with a text beside the HTML, under 200 KB."""
    output = study_output(saved(ran))
    html = "".join(output["data"]["text/html"])
    assert len(html) < 200_000
    assert "<script" not in html
    assert "accuracy" in "".join(output["data"]["text/plain"])


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_final_view_is_readable_when_reopened(ran: Ran, tmp_path: Path, dark: bool) -> None:
    """Without a kernel, wide and narrow, in a light and a dark theme; nothing overflows."""
    shutil.copy(ran.folder / "quickstart.ipynb", tmp_path)
    shade = "dark" if dark else "light"
    with (
        served.jupyterlab(tmp_path, dark) as url,
        served.browser_page(tmp_path, 1280, 1000) as page,
    ):
        served.Notebook(page, url, "quickstart.ipynb")
        panel = page.locator(PANEL).first
        served.bring_into_view(panel)
        picture(page, f"lab-reopened-{shade}-wide")
        assert "accuracy" in panel.inner_text()
        page.set_viewport_size({"width": 720, "height": 900})
        page.wait_for_timeout(300)
        served.bring_into_view(panel)
        picture(page, f"lab-reopened-{shade}-narrow")
        right = "e => e.getBoundingClientRect().right"
        assert panel.evaluate(right) <= panel.locator("..").evaluate(right) + 1


@pytest.fixture(scope="module")
def ui(ran: Ran) -> Iterator[str]:
    """MLflow's UI over the store that the quickstart left."""
    with served.mlflow_ui(ran.folder, f"sqlite:///{ran.folder / 'mlflow.db'}") as url:
        yield url


@pytest.fixture(scope="module")
def study(ran: Ran) -> Any:
    """The study, loaded from its store."""
    import hpmagic

    uri = f"sqlite:///{ran.folder / 'mlflow.db'}"
    name = hpmagic.studies(tracking_uri=uri)["name"].iloc[0]
    return hpmagic.load(name, tracking_uri=uri)


def test_mlflow_shows_the_study_with_its_trials_under_it(ran: Ran, ui: str, study: Any) -> None:
    """The experiment page has the parent's row; opened, it has the children's."""
    where = f"{ui}/#/experiments/{study.record.experiment_id}/runs?workflowType=machine_learning"
    with served.browser_page(ran.folder, 1500, 1000) as page:
        page.goto(where)
        page.wait_for_selector(f"text={study.name[:12]}")
        picture(page, "mlflow-experiment")
        page.locator(".ag-pinned-left-cols-container .ag-row button").first.click()
        page.wait_for_selector("text=trial 0")
        picture(page, "mlflow-experiment-open")
        assert page.locator(".ag-pinned-left-cols-container .ag-row").count() > 10


def test_mlflow_compares_the_trials_with_parallel_coordinates(
    ran: Ran, ui: str, study: Any
) -> None:
    """The page that `%tune ui` links to draws a line for each trial."""
    runs = json.dumps([t.run_id for t in study.record.trials])
    experiments = json.dumps([study.record.experiment_id])
    where = f"{ui}/#/compare-runs?runs={runs}&experiments={experiments}"
    with served.browser_page(ran.folder, 1500, 1000) as page:
        page.goto(where)
        page.wait_for_selector("text=Parallel Coordinates")
        page.wait_for_selector(".js-plotly-plot")
        picture(page, "mlflow-compare")
        assert "gamma" in page.inner_text("body")


def test_a_failed_wait_tells_what_the_page_and_the_server_said(tmp_path: Path) -> None:
    """The note of the failure has the page's text, an open dialog and the server's log."""
    (tmp_path / "server.log").write_text("the port is taken")

    def waits_in_vain() -> None:
        with served.browser_page(tmp_path) as page:
            page.set_content("<p>nothing here</p><div role=dialog>Select Kernel</div>")
            page.wait_for_selector(PANEL, timeout=1)

    with pytest.raises(Exception, match="Timeout") as failed:
        waits_in_vain()
    (note,) = failed.value.__notes__
    for said in ("nothing here", "A dialog was open:\nSelect Kernel", "the port is taken"):
        assert said in note
