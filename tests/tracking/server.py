"""A real ``mlflow server`` on loopback, and a proxy that spoils what passes through it."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(folder: Path, seconds: float = 120) -> Iterator[str]:
    """A server with its store in a folder; its URI."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    words += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            _wait_for(uri, server, seconds)
            yield uri
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, 15)
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, 9)


def _wait_for(uri: str, server: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError("mlflow server ended")
        with suppress(OSError), urllib.request.urlopen(f"{uri}/health", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise TimeoutError(f"mlflow server did not answer within {seconds} s")


class FaultyProxy:
    """Passes requests on to a server, and spoils a share of them.

    ``share`` is the probability of each request to be dropped, to be answered with 500, 429 or 503,
    to have its answer cut in the middle, or withheld after it was carried out; to be torn itself,
    in its own body, or to be delayed. ``faults`` are those of them that happen.
    """

    FAULTS = ("dropped", "500", "429", "503", "cut", "withheld", "torn", "delayed")
    DELAY = 1.0
    """Seconds, at most."""

    def __init__(
        self, target: str, share: float, seed: int = 0, faults: Sequence[str] = FAULTS
    ) -> None:
        self.share = share
        self.faults = tuple(faults)
        self.passed = 0
        self.spoiled: dict[str, int] = dict.fromkeys(self.faults, 0)
        self._rng = random.Random(seed)
        host, _, port = target.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One request a connection, so that each has a fate of its own."""
        with client, suppress(OSError):
            request = _message(client)
            if not request:
                return
            fault = self._rng.choice(self.faults) if self._rng.random() < self.share else ""
            if fault:
                self.spoiled[fault] += 1
            else:
                self.passed += 1
            if fault == "delayed":
                time.sleep(self._rng.uniform(0, self.DELAY))
            if fault == "torn":
                self._tear(request)
                return
            if fault == "dropped":
                return
            if fault.isdigit():
                client.sendall(
                    f"HTTP/1.1 {fault} Spoiled\r\nContent-Length: 0\r\n".encode() + CLOSE
                )
                return
            answer = self._ask(request)
            if fault == "withheld":
                return
            client.sendall(answer[: len(answer) // 2] if fault == "cut" else answer)

    def _tear(self, request: bytes) -> None:
        """The server gets the request but for the second half of its body."""
        head, _, body = request.partition(b"\r\n\r\n")
        with socket.create_connection(self._target, timeout=60) as server:
            server.sendall(head + b"\r\n\r\n" + body[: len(body) // 2])

    def _ask(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        with socket.create_connection(self._target, timeout=60) as server:
            server.sendall(b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n" + body)
            parts = list(iter(lambda: server.recv(65536), b""))
        return b"".join(parts)


CLOSE = b"Connection: close\r\n\r\n"


def _message(stream: socket.socket) -> bytes:
    """One HTTP request, whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = stream.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += stream.recv(65536)
    return head + b"\r\n\r\n" + body
