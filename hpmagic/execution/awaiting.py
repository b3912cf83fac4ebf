"""Top-level ``await``, also where an event loop runs already."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

__all__ = ["run_coroutine"]


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run to the end on a loop of its own, on this thread.

    The kernel's loop, which called us, is set aside meanwhile. Another thread would do too, but the
    cell would then miss what belongs to its own: MLflow's active run, torch's grad mode. An
    interrupt cancels the task, so that the cell's ``finally`` runs, and is raised.
    """
    outer = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(coroutine)
        try:
            loop.run_until_complete(task)
        except KeyboardInterrupt:
            _cancel(loop, task)
            raise
    finally:
        try:
            _close(loop)
        finally:
            asyncio._set_running_loop(outer)


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            loop.run_until_complete(task)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    try:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
