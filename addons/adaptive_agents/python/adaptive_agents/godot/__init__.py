"""The engine's side of the runtime: the only package that touches C pointers.

    native.py     ffi and lib, from the compiled bridge (native/bridge.c)
    variant.py    values: Variant to Python and back
    engine.py     calls into the engine: methods, singletons, errors, files
    declare.py    how a native class is written down in Python
    outline.py    what such a class looks like to the engine
    register.py   what the engine calls, by number, and the Python halves of its objects
    callbacks.py  what the engine calls, behind one guard
    start.py      the beginning and the end
    rows.py       many agents at once; memory.py what the garbage collector may skip

It is importable inside the engine only.
"""
