"""A provider that can do several things, and decides by the arguments which of them a call wants.

Callers need not know its name: `gleitzeit providers invoke vision generate ...` finds whoever can.
"""

from __future__ import annotations

from typing import Any

from gleitzeit_extensions import InvalidRequest, SocketIOProviderClient, idempotent


class SmartProvider(SocketIOProviderClient):
    """Looks at pictures, does sums, and talks."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("capabilities", ["text", "math", "vision"])
        super().__init__(**kwargs)

    @idempotent
    async def generate(self, prompt: str = "", image: str | None = None) -> dict[str, str]:
        """An answer to a prompt, or about an image (its bytes in base64)."""
        if image is not None:
            return {"by": "vision", "text": self._about(image)}
        if not prompt:
            raise InvalidRequest("give a prompt or an image")
        if set(prompt) <= set("0123456789+ "):
            return {"by": "math", "text": str(sum(int(number) for number in prompt.split("+")))}
        return {"by": "text", "text": f"you said: {prompt}"}

    def _about(self, image: str) -> str:
        return f"a picture of {len(image) * 3 // 4} bytes"
