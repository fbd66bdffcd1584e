"""The platforms that the addon is built for, and what differs between them."""

from __future__ import annotations

from dataclasses import dataclass

MODULE = "_adaptive_agents"
"""The bridge, as Python imports it."""


@dataclass(frozen=True)
class Platform:
    """A platform that Godot exports to, named as in its feature tags."""

    name: str
    suffix: str
    """Of the library that the engine loads."""
    module: str
    """File name of the bridge. It uses Python's limited interface alone, but entry and package do not."""
    targets: tuple[str, ...]
    """As zig calls them; several are joined into one file."""
    wheels: tuple[tuple[str, ...], ...]
    """For each target, what pip calls its wheels, best first."""

    @property
    def library(self) -> str:
        """File name of the library that the engine loads."""
        return f"libadaptive_agents.{self.name}.{self.suffix}"

    @property
    def runtime(self) -> str:
        """Name of the folder with the platform's Python."""
        return f"adaptive_agents.{self.name}"

    @property
    def tag(self) -> str:
        """As in the name of a zip, and in `make addon PLATFORM=…`."""
        return self.name.replace(".", "-")


# glibc 2.28 is that of Debian 10, RHEL 8 and all newer, and what the wheels of numpy and onnxruntime need.
GLIBC = (2, 28)
LINUX = Platform(
    "linux.x86_64",
    "so",
    f"{MODULE}.abi3.so",
    ("x86_64-linux-gnu.2.28",),
    (("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"),),
)
WINDOWS = Platform("windows.x86_64", "dll", f"{MODULE}.pyd", ("x86_64-windows-gnu",), (("win_amd64",),))
MACOS = Platform(
    "macos.universal",
    "dylib",
    f"{MODULE}.abi3.so",
    ("aarch64-macos.11.0", "x86_64-macos.11.0"),
    tuple(
        tuple(f"macosx_{system}_{kind}" for system in ("11_0", "12_0", "13_0", "14_0") for kind in kinds)
        for kinds in (("arm64", "universal2"), ("x86_64", "universal2"))
    ),
)
PLATFORMS = (LINUX, WINDOWS, MACOS)


def find(name: str) -> Platform:
    """The platform of that name, written `linux.x86_64` or `linux-x86_64`.

    Raises:
        LookupError: there is none; the message lists those that there are.
    """
    for platform in PLATFORMS:
        if name in (platform.name, platform.tag):
            return platform
    known = ", ".join(platform.tag for platform in PLATFORMS)
    raise LookupError(f"the addon is not made for {name!r}; it is for {known}")
