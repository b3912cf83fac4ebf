"""MLflow's own pages: a server for them when there is none, and links straight to a study."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import IO
from urllib.parse import quote, urlsplit

from hpmagic.errors import StoreError
from hpmagic.records import Direction, StudyRecord, Trial
from hpmagic.serve import STORE
from hpmagic.tracking.schema import key

__all__ = ["Links", "Server", "links_to", "serve_until_interrupted", "server_for", "study_links"]

MOST_COMPARED = 100
"""More runs than that make MLflow's comparison slow, and its address too long for some browsers."""
PATIENCE = 120.0
"""Seconds that a server may take until it answers."""
_FAR = ("SSH_CONNECTION", "JUPYTERHUB_USER", "KUBERNETES_SERVICE_HOST", "CODESPACES")


@dataclass(frozen=True)
class Links:
    """Where a study is to be seen. ``remark`` is what one should know before clicking."""

    compare: str
    rows: str
    run: str
    compared: int
    remark: str = ""

    def _named(self) -> list[tuple[str, str]]:
        return [
            (f"compare {self.compared} trials", self.compare),
            ("the trials as a table", self.rows),
            ("the study's own run", self.run),
        ]

    def text(self) -> str:
        """One link a line."""
        lines = [f"{name}: {link}" for name, link in self._named()]
        return "\n".join([*lines, *([self.remark] if self.remark else [])])

    def html(self) -> str:
        """The same for a notebook."""
        links = " · ".join(
            f'<a href="{escape(link)}" target="_blank" rel="noopener">{escape(name)}</a>'
            for name, link in self._named()
        )
        remark = f"<br><small>{escape(self.remark)}</small>" if self.remark else ""
        return f"<div>MLflow: {links}{remark}</div>"


class Server:
    """MLflow's server on a free port of this machine; it ends when this process does."""

    def __init__(self, uri: str) -> None:
        self.port = _free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the server
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "hpmagic.serve", str(self.port)],
            env=os.environ | {STORE: uri},  # arguments can be seen by everybody on the machine
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        atexit.register(self.stop)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait_until_ready(self, patience: float = PATIENCE) -> None:
        """Return once the server answers.

        Raises:
            StoreError: it ended, or did not answer within ``patience`` seconds.
        """
        until = time.monotonic() + patience
        while not _answers(self.address):
            if not self.alive:
                raise StoreError(f"MLflow's server ended at once: {self._last_words()}")
            if time.monotonic() > until:
                self.stop()
                raise StoreError(f"MLflow's server did not answer within {patience:g} s")
            time.sleep(0.1)

    def wait(self) -> int:
        """Block until it has ended; its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        atexit.unregister(self.stop)
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._log.close()

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"


_servers: dict[str, Server] = {}


def server_for(uri: str) -> tuple[str, bool]:
    """The address of a server for the store, started if need be, and whether it is ours.

    Raises:
        StoreError: the store has no such pages, or no server could be started.
    """
    from hpmagic.tracking.place import redacted

    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https"):
        return redacted(uri).rstrip("/"), False
    if uri.startswith("databricks"):
        raise StoreError(
            f"the tracking URI is `{uri}`: see the study in your workspace's own pages"
        )
    server = _servers.get(uri)
    if server is None or not server.alive:
        server = _servers[uri] = Server(uri)
        try:
            server.wait_until_ready()
        except BaseException:
            _servers.pop(uri).stop()
            raise
    return server.address, True


def links_to(record: StudyRecord) -> Links:
    """Links to a study, with a server behind them.

    Raises:
        StoreError: the study is not in MLflow, or its pages cannot be had.
    """
    if record.run_id is None or record.tracking_uri is None:
        raise StoreError(f"the study {record.info.name} is not in MLflow, so it has no page there")
    address, ours = server_for(_with_secrets(record.tracking_uri))
    remark = ""
    if ours:
        remark = "the server runs on the kernel's machine and ends with the kernel"
        if any(name in os.environ for name in _FAR):
            port = urlsplit(address).port
            remark += f"; from another machine: ssh -N -L {port}:127.0.0.1:{port} HOST"
    return study_links(record, address, remark)


def serve_until_interrupted(*, announce: bool = True) -> int:
    """Serve the store in use until Ctrl-C; the exit code.

    Raises:
        StoreError: the store has no such pages, or no server could be started.
    """
    from hpmagic.tracking.place import absolute, check_store, current_uri

    uri = absolute(current_uri())
    check_store(uri)
    address, ours = server_for(uri)
    try:
        if announce:
            print(f"{address}/#/experiments?workflowType=machine_learning", flush=True)  # noqa: T201
        return _servers[uri].wait() if ours else 0
    except KeyboardInterrupt:
        _servers[uri].stop()
        return 0


def study_links(record: StudyRecord, address: str, remark: str = "") -> Links:
    """Links to a study under ``address``. Without the workflow's name MLflow shows LLM traces."""
    compared = _compared(record)
    runs = json.dumps([trial.run_id for trial in compared], separators=(",", ":"))
    experiment = record.experiment_id or "0"
    experiments = json.dumps([experiment], separators=(",", ":"))
    workflow = "workflowType=machine_learning"
    mine = quote(f"tags.mlflow.parentRunId = '{record.run_id}'", safe="")
    page = f"{address}/#/experiments/{experiment}/runs"
    # Ordered by anything but the date the trials stand for themselves, not folded into the study.
    objective = record.info.objectives[0]
    name = key(objective.name)
    up = "true" if objective.direction is Direction.MINIMIZE else "false"
    order = f"orderByKey={quote(f'metrics.`{name}`', safe='')}&orderByAsc={up}"
    left_out = len([t for t in record.trials if t.run_id]) - len(compared)
    if left_out:
        remark = f"{remark}; " if remark else ""
        remark += f"the comparison holds the best {len(compared)}, the table all of them"
    return Links(
        compare=f"{address}/#/compare-runs?runs={quote(runs, safe='')}"
        f"&experiments={quote(experiments, safe='')}&{workflow}",
        rows=f"{page}?searchFilter={mine}&{order}&{workflow}",
        run=f"{page}/{record.run_id}?{workflow}",
        compared=len(compared),
        remark=remark,
    )


def _compared(record: StudyRecord) -> Sequence[Trial]:
    trials = [trial for trial in record.trials if trial.run_id]
    if len(trials) <= MOST_COMPARED:
        return trials
    objective, chosen = record.info.objectives[0], [t for t in trials if t.values]
    chosen.sort(key=lambda t: objective.direction.sign * (t.value or 0.0))
    return chosen[:MOST_COMPARED]


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _with_secrets(uri: str) -> str:
    """The URI in use, if it is the same but for what a record leaves out of it."""
    from hpmagic.tracking.place import absolute, current_uri, redacted

    current = absolute(current_uri())
    return current if redacted(current) == redacted(uri) else uri
