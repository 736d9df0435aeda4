"""What machine this is."""

from __future__ import annotations

import platform

from harness.core.errors import ToolMissing


def architecture() -> str:
    """Return Debian's name for this machine's architecture; raises ToolMissing for others."""
    match platform.machine():
        case "x86_64" | "AMD64" | "amd64":
            return "amd64"
        case "aarch64" | "arm64":
            return "arm64"
        case other:
            raise ToolMissing(
                f"no environment can be locked on {other}", hint="use an amd64 or arm64 machine"
            )
