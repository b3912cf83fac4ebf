"""Runs MLflow's server until whoever started it is gone: ``python -m hpmagic.serve PORT``.

The one who starts this holds the other end of its standard input. When that closes, because of an
orderly end or a kill, the server ends too. The store's URI comes in the environment, where MLflow's
server looks for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

__all__ = ["STORE", "command", "main"]

STORE = "MLFLOW_BACKEND_STORE_URI"
"""The environment variable that tells MLflow's server its store."""


def command(port: int) -> list[str]:
    """MLflow's server as light as it can be, for this machine only."""
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", *where]


def main(arguments: Sequence[str]) -> int:
    """Serve; returns the server's exit code."""
    (port,) = arguments
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(  # noqa: S603
        command(int(port)), stdin=subprocess.DEVNULL, env=environment, start_new_session=True
    )
    threading.Thread(target=_stop_when_alone, args=(server,), daemon=True).start()
    return server.wait()


def _stop_when_alone(server: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        sys.stdin.buffer.read()
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
    else:
        server.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
