"""Writes `class_table.h`: what the Python classes declare, as tables for classes.c. Run by build.py.

`python class_table.py FILE`, with the addon's Python folder and the built bridge on the path.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from adaptive_agents.godot.declare import Group, NativeObject
from adaptive_agents.godot.outline import (
    CONST_FLAG,
    NORMAL_FLAG,
    Info,
    PropertyOutline,
    digest,
    entry_points,
    methods_of,
    properties_of,
    signals_of,
)
from adaptive_agents.nodes import CLASSES

DOCUMENTATION = Path(__file__).resolve().parent.parent / "doc_classes"


def text(value: str) -> str:
    """A C string, in one line for each of its own (compilers need not take very long ones)."""
    return " ".join(json.dumps(line, ensure_ascii=False) for line in value.splitlines(keepends=True)) or '""'


def method(
    name: str,
    flags: int,
    arguments: tuple[Info, ...],
    returned: Info | None,
    index: int = -1,
    of_property: str = "NULL",
) -> str:
    """A row of aa_method."""
    result = f"{int(returned.kind)}, {text(returned.class_name)}" if returned else '-1, ""'
    listed = ", ".join(
        f"{{ {text(info.name)}, {int(info.kind)}, {text(info.class_name)} }}" for info in arguments
    )
    arguments_in_c = f"{len(arguments)}, {{ {listed or '{ 0 }'} }}"
    return f"{{ {text(name)}, {flags}, {result}, {index}, {arguments_in_c}, {of_property} }}"


def table(kind: str, name: str, rows: list[str]) -> str:
    """An array; C knows no empty ones, so that of nothing has a row that nobody reads."""
    return (
        f"static const {kind} {name}[] = {{\n" + "".join(f"\t{row},\n" for row in rows or ["{ 0 }"]) + "};\n"
    )


def heading(group: Group) -> str:
    return f'{{ {text(group.title)}, 0, "", 0, "", 0, NULL, NULL, 0, "", -1 }}'


def property_row(outline: PropertyOutline, accessors: str, getter: int) -> str:
    """A row of aa_property; its getter and setter are the rows `getter` and the next of `accessors`."""
    info, default = outline.info, outline.declared.default
    number = float(default) if isinstance(default, int | float) else float(outline.declared.always)
    setter = f"&{accessors}[{getter + 1}]" if outline.setter else "NULL"
    field = f"offsetof(aa_instance, {info.name})" if outline.declared.native else "-1"
    return (
        f"{{ {text(info.name)}, {int(info.kind)}, {text(info.class_name)}, {info.hint}, "
        f"{text(info.hint_text)}, {info.usage}, &{accessors}[{getter}], {setter}, {number}, "
        f"{text(default if isinstance(default, str) else '')}, {field} }}"
    )


def write_class(of: type[NativeObject], indices: dict[str, int]) -> tuple[str, str]:
    """The tables of one class, and its row in the table of classes."""
    called = of.__name__
    properties, accessors = f"{called}_properties", f"{called}_accessors"
    listed = properties_of(of)
    property_rows: list[str] = []
    accessor_rows: list[str] = []
    for place, item in enumerate(listed):
        if isinstance(item, Group):
            property_rows.append(heading(item))
            continue
        property_rows.append(property_row(item, accessors, len(accessor_rows)))
        owner, value = f"&{properties}[{place}]", item.value
        index = indices.get(f"{called}.{item.getter}", -1)
        accessor_rows.append(method(item.getter, NORMAL_FLAG | CONST_FLAG, (), value, index, owner))
        if item.setter:
            index = indices.get(f"{called}.{item.setter}", -1)
            accessor_rows.append(method(item.setter, NORMAL_FLAG, (value,), None, index, owner))
    methods = [
        method(
            outline.name,
            outline.flags,
            outline.arguments,
            outline.returned,
            indices.get(f"{called}.{outline.name}", -1),
        )
        for outline in methods_of(of)
    ]
    signals = [method(name, NORMAL_FLAG, arguments, None) for name, arguments in signals_of(of).items()]
    constants = [
        f"{{ {text(values.__name__)}, {text(value.name)}, {int(value)} }}"
        for values in of.enums
        for value in values
    ]
    source = f"static const aa_property {properties}[{max(1, len(property_rows))}];\n"  # they name each other
    source += table("aa_method", accessors, accessor_rows)
    source += table("aa_property", properties, property_rows)
    source += table("aa_method", f"{called}_methods", methods)
    source += table("aa_method", f"{called}_signals", signals)
    source += table("aa_constant", f"{called}_constants", constants)
    notifications = sum(1 << what for what in of.notifications)
    documentation = (DOCUMENTATION / f"{called}.xml").read_text(encoding="utf-8")
    row = (
        f"{{ {text(called)}, {text(of.base)}, {int(of.is_reference)}, {notifications}u, "
        f"{len(property_rows)}, {properties}, {len(methods)}, {called}_methods, "
        f"{len(signals)}, {called}_signals, {len(constants)}, {called}_constants, {text(documentation)} }}"
    )
    return source, row


def main(target: Path) -> None:
    indices = {point.name: place for place, point in enumerate(entry_points(CLASSES))}
    written = [write_class(of, indices) for of in CLASSES]
    source = f"/* Written by class_table.py. */\n#define CLASS_DIGEST {text(digest(CLASSES))}\n"
    source += "".join(tables for tables, _ in written)
    source += table("aa_class", "classes", [row for _, row in written])
    target.write_text(source, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
