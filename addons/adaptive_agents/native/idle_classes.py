"""Writes `idle_classes.h`: what the Python classes declare, as C tables for idle.c. Run by build.py.

`python idle_classes.py FILE`, with the addon's Python folder and the built bridge on the path.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from adaptive_agents.godot.declare import NativeObject
from adaptive_agents.godot.outline import (
    Info,
    MethodOutline,
    PropertyOutline,
    methods_of,
    properties_of,
    signals_of,
)
from adaptive_agents.nodes import CLASSES


def text(value: str) -> str:
    """A C string."""
    return json.dumps(value)


def argument(info: Info) -> str:
    return f"{{ {text(info.name)}, {int(info.kind)}, {text(info.class_name)} }}"


def method(name: str, flags: int, arguments: tuple[Info, ...], returned: Info | None) -> str:
    result = f"{int(returned.kind)}, {text(returned.class_name)}" if returned else '-1, ""'
    listed = ", ".join(map(argument, arguments)) or "{ 0 }"
    return f"{text(name)}, {flags}, {result}, {len(arguments)}, {{ {listed} }}"


def property_row(outline: PropertyOutline) -> str:
    info, default = outline.info, outline.declared.default
    number = float(default) if isinstance(default, int | float) else 0.0
    return (
        f"{text(info.name)}, {int(info.kind)}, {text(info.class_name)}, {info.hint}, {text(info.hint_text)}, "
        f"{info.usage}, {text(outline.getter)}, {text(outline.setter)}, {number}"
    )


def write_class(of: type[NativeObject]) -> tuple[str, str]:
    """The tables of one class, and its row in the table of classes."""
    scriptable = [outline for outline in methods_of(of) if not outline.mark.overrides]
    tables = {
        "IdleProperty": [
            property_row(item) for item in properties_of(of) if isinstance(item, PropertyOutline)
        ],
        "IdleMethod": [method_row(outline) for outline in scriptable],
        "IdleMethod ": [method(name, 1, arguments, None) for name, arguments in signals_of(of).items()],
        "IdleConstant": [
            f"{text(values.__name__)}, {text(value.name)}, {int(value)}"
            for values in of.enums
            for value in values
        ],
    }
    source, row = "", f"{text(of.__name__)}, {text(of.base)}"
    for index, (kind, rows) in enumerate(tables.items()):
        name = f"{of.__name__}_{index}"
        if rows:  # C knows no empty arrays
            source += f"static const {kind.strip()} {name}[] = {{\n"
            source += "".join(f"\t{{ {line} }},\n" for line in rows) + "};\n"
        row += f", {len(rows)}, {name if rows else 'NULL'}"
    return source, row


def method_row(outline: MethodOutline) -> str:
    return method(outline.name, outline.flags, outline.arguments, outline.returned)


def main(target: Path) -> None:
    written = [write_class(of) for of in CLASSES if of.is_exposed]
    rows = "".join(f"\t{{ {row} }},\n" for _, row in written)
    source = "/* Written by idle_classes.py. */\n" + "".join(tables for tables, _ in written)
    target.write_text(f"{source}static const IdleClass idle_classes[] = {{\n{rows}}};\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
