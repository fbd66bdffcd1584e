"""The baseline without other players: a fresh network, and steps on the support set alone."""

from __future__ import annotations

from dataclasses import replace

from pytrain.learners import pooled

KIND = replace(pooled.KIND, algorithm="scratch", is_trained=False)
