from __future__ import annotations
from enum import IntEnum
from ..godot.declare import *

class AdaptiveAgent(NativeObject, base="Node"):
    class Adaptation(IntEnum):
        ADAPTATION_OFF = 0
        ADAPTATION_PLAYER = 1
    enums = (Adaptation,)
    enabled = Exported(bool, True)
    decision_interval = Exported(int, 6, hint=Hint.range("1,60,1,or_greater,suffix:ticks"))
    observation_fields = Exported(Strings, [])
    observation = Exported(Floats, native=True, usage=Usage.HIDDEN)
    action = Exported(Floats, native=True, writable=False)
    category = Exported(int, native=True, writable=False)
    decided = Signal(action=Floats)

    @method
    def learn(self, observation: Floats, target: AnyValue) -> None:
        print("learn", observation, target)
    @script_method
    def _observe(self) -> Floats: ...
    @engine_method
    def _get_configuration_warnings(self) -> Strings:
        return ["none"]
