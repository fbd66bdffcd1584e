"""The compiled bridge: `ffi` makes and reads C values, `lib` has the functions (native/bridge.h)."""

from __future__ import annotations

from _adaptive_agents import ffi, lib

__all__ = ["ffi", "lib"]
