/* CPython inside the engine: opened, started and handed over to, without a link to libpython. */
#ifndef ADAPTIVE_AGENTS_INTERPRETER_H
#define ADAPTIVE_AGENTS_INTERPRETER_H

#include "home.h"

/* The version that this library was compiled for, such as "3.11": no other may be started, for its structures differ. */
extern const char *const PYTHON_VERSION;

/* Whether there was one already, which is not ours: then no other is started. */
extern int another_python;

/* Opens the libpython of `home` and starts it, isolated; the GIL is free afterwards. Returns what is wrong, or NULL. */
const char *start_python(const Home *home);

/* Imports adaptive_agents and gives it the library's aa_host. From any thread; takes the GIL. Returns what is wrong, or NULL. */
const char *hand_over(void *host);

#endif
