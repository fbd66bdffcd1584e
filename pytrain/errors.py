"""What a person can get wrong on the command line, as one exception type.

`AdaptiveAgentsError` (the runtime package) covers files that do not fit together; `PytrainError` adds
what only happens offline: a missing engine, players in the wrong group, an engine process that failed.
`pytrain.cli` prints either without a traceback and exits with 2; anything else is our own mistake and
keeps its traceback.
"""

from __future__ import annotations

from adaptive_agents.errors import AdaptiveAgentsError

__all__ = ["AdaptiveAgentsError", "PytrainError"]


class PytrainError(AdaptiveAgentsError):
    """A request that cannot be met; the message says what was wrong, both values, and what to do next."""
