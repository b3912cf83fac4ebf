"""Cells in, outputs out, a JSON object a line; between them a real ipykernel."""

from __future__ import annotations

import json
import sys
from typing import Any

from jupyter_client.manager import start_new_kernel


def plain(kind: str, content: dict[str, Any]) -> dict[str, Any] | None:
    if kind == "stream":
        return {"type": "stream", "text": content["text"]}
    if kind in ("display_data", "execute_result", "update_display_data"):
        display = (content.get("transient") or {}).get("display_id")
        what = "update" if kind == "update_display_data" else "display"
        return {"type": what, "data": content["data"], "display_id": display}
    if kind == "error":
        stack = "\n".join(content["traceback"])
        return {
            "type": "error",
            "name": content["ename"],
            "text": content["evalue"],
            "stack": stack,
        }
    return None


def main() -> None:
    manager, client = start_new_kernel(startup_timeout=240, kernel_name="python3")
    try:
        for line in sys.stdin:
            asked = json.loads(line)

            def tell(message: dict[str, Any], number: int = asked["id"]) -> None:
                print(json.dumps({"id": number, **message}), flush=True)

            def hear(message: dict[str, Any]) -> None:
                said = plain(message["msg_type"], message["content"])
                if said is not None:
                    tell(said)

            reply = client.execute_interactive(asked["code"], output_hook=hear)
            tell({"type": "done", "ok": reply["content"]["status"] == "ok"})
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
