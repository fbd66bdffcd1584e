"""The engine's Node.NOTIFICATION_…, as far as somebody here listens."""

from __future__ import annotations

ENTER_TREE, EXIT_TREE = 10, 11
PAUSED, UNPAUSED = 14, 15
PATH_RENAMED = 23
DISABLED, ENABLED = 28, 29
