"""Every error a user of the addon can cause, in one small tree.

    AdaptiveAgentsError
    ├── SpecError            two specs do not fit, or a spec is not written correctly
    ├── SessionError         a `.session` cannot be read or written
    ├── BrainError           a `.brain` is missing, damaged or of another version
    ├── ProfileError         a `.profile` cannot be read, written or used with this brain
    │   └── DamagedProfileError   … and never will be: its content is wrong
    ├── ObservationError     an agent gave numbers that its spec does not allow
    └── PosteriorError       a posterior is not positive definite, or is given what it cannot take in

A message says what was wrong, both values, and what to do next. The engine side shows it with `push_error`;
`pytrain` prints it and exits with 2.
"""

from __future__ import annotations


class AdaptiveAgentsError(Exception):
    """Base of all errors of Adaptive Agents; catch this one to catch them all."""


class SpecError(AdaptiveAgentsError):
    """A spec is not written correctly, or does not fit another one."""


class SessionError(AdaptiveAgentsError):
    """A session cannot be read or written."""


class BrainError(AdaptiveAgentsError):
    """A brain is missing, damaged, or of a version that is not known here."""


class ProfileError(AdaptiveAgentsError):
    """A profile is damaged, cannot be written, or belongs to a brain with another spec."""


class DamagedProfileError(ProfileError):
    """A file is a profile of ours, and its content is wrong; another try will not help."""


class PosteriorError(AdaptiveAgentsError):
    """What a player has shown has no posterior: a number too large, or statistics that were damaged."""


class ObservationError(AdaptiveAgentsError):
    """An observation, target or measurement has the wrong size or is not finite."""
