"""What the garbage collector need not look at."""

from __future__ import annotations

import gc


def settle() -> None:
    """Tells the garbage collector that what exists by now stays.

    It need not walk over every imported module again in the middle of a game.
    """
    gc.collect()
    gc.freeze()
