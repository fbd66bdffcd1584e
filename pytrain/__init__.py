"""Offline half of Adaptive Agents for Godot: recorded sessions in, one `.brain` file out.

    sessions ──► dataset ──► tasks ──► meta-train ──► export ──► archer.brain

Nothing here ships with a game. `pytrain` reads and writes the formats that `adaptive_agents` defines, and
never the other way round.
"""

from __future__ import annotations
