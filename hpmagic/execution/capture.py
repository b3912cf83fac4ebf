"""What a trial prints, displays and draws, kept away from the notebook."""

from __future__ import annotations

import base64
import binascii
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TextIO

from hpmagic.execution.figures import MOST_FIGURES, open_figures, take_figures
from hpmagic.execution.stream import BoundedText, CapturedStream
from hpmagic.records import Output

__all__ = ["Capture"]

_Handler = logging.StreamHandler[Any]


class Capture:
    """Takes the process's streams, also where a logging handler of an earlier cell writes to them.

    And the shell's displays when there is a shell.
    """

    def __init__(self, shell: Any = None) -> None:
        self._shell = shell
        self._real = (sys.stdout, sys.stderr, sys.displayhook)
        self._stdout = CapturedStream(lambda: self._real[0])
        self._stderr = CapturedStream(lambda: self._real[1])
        self._handlers: list[tuple[_Handler, TextIO, CapturedStream]] = []
        self._publisher = _publisher(self) if shell is not None else None
        self._real_publisher: Any = None
        self._kept = BoundedText(), BoundedText()
        self._figures: list[bytes] = []

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Capture what happens within; `output` has it afterwards."""
        self._real = (sys.stdout, sys.stderr, sys.displayhook)
        self._kept = self._stdout.kept, self._stderr.kept = BoundedText(), BoundedText()
        self._figures = []
        self._handlers = [
            (handler, real, ours)
            for handler in _stream_handlers()
            for real, ours in zip(self._real, (self._stdout, self._stderr), strict=False)
            if real is not None and handler.stream is real
        ]
        before = open_figures()
        self._take()
        try:
            yield
            self._take()  # whatever the cell did to them
            self._figures += take_figures(before, MOST_FIGURES - len(self._figures))
        finally:
            self._give_back()
            self._stdout.kept = self._stderr.kept = None

    def output(self, traceback: str = "") -> Output:
        """What the last trial gave."""
        stdout, stderr = map(str, self._kept)
        return Output(stdout, stderr, tuple(self._figures), traceback)

    def outside(self) -> AbstractContextManager[None]:
        """Within a trial, a moment with the notebook's own streams in place."""
        return _Outside(self)

    def show(self, value: Any) -> None:
        """Display a value as the notebook would."""
        if value is None:
            return
        if self._shell is None:
            self._stdout.write(f"{value!r}\n")
            return
        data, _ = self._shell.display_formatter.format(value)
        self.keep(data)

    def keep(self, data: Mapping[str, Any]) -> None:
        """Keep what a display gives of itself, by media type."""
        image = _image(data.get("image/png"))
        if image is not None and len(self._figures) < MOST_FIGURES:
            self._figures.append(image)
        elif "text/plain" in data:
            self._stdout.write(f"{data['text/plain']}\n")

    def _take(self) -> None:
        sys.stdout, sys.stderr, sys.displayhook = self._stdout, self._stderr, self.show
        for handler, real, ours in self._handlers:
            if handler.stream is real:
                handler.stream = ours
        if self._shell is not None and self._shell.display_pub is not self._publisher:
            self._real_publisher = self._shell.display_pub
            self._shell.display_pub = self._publisher

    def _give_back(self) -> None:
        sys.stdout, sys.stderr, sys.displayhook = self._real
        for handler, real, ours in self._handlers:
            if handler.stream is ours:
                handler.stream = real
        if self._shell is not None and self._shell.display_pub is self._publisher:
            self._shell.display_pub = self._real_publisher


class _Outside:
    """A class, since a generator takes longer and every draw and report comes by here."""

    __slots__ = ("_capture", "_theirs")

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def __enter__(self) -> None:
        # The cell may have redirected them, or even deleted one.
        ours = vars(sys)
        self._theirs = {name: ours.get(name) for name in ("stdout", "stderr", "displayhook")}
        self._capture._give_back()

    def __exit__(self, *_: object) -> None:
        self._capture._take()
        vars(sys).update(self._theirs)


def _stream_handlers() -> list[_Handler]:
    """Those of `logging` that write to a stream which they know by themselves."""
    handlers = [reference() for reference in list(logging._handlerList)]  # type: ignore[attr-defined]
    return [h for h in handlers if isinstance(h, logging.StreamHandler) and "stream" in vars(h)]


def _publisher(capture: Capture) -> Any:
    """A display publisher that keeps what is displayed, in the order of the prints around it."""
    from IPython.core.displaypub import CapturingDisplayPublisher

    class Publisher(CapturingDisplayPublisher):
        def publish(self, data: Any, *_: Any, **__: Any) -> None:
            capture.keep(data)

        def clear_output(self, wait: bool = False) -> None:  # noqa: ARG002
            return None

    return Publisher()  # type: ignore[no-untyped-call]


def _image(png: object) -> bytes | None:
    if isinstance(png, bytes):
        return png
    if isinstance(png, str):
        try:
            return base64.b64decode(png, validate=False)
        except (binascii.Error, ValueError):
            return None
    return None
