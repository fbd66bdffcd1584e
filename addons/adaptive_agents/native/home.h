/* Which Python the game runs on: found through a `python_home.cfg` near the library, and checked before anything of it is opened. */
#ifndef ADAPTIVE_AGENTS_HOME_H
#define ADAPTIVE_AGENTS_HOME_H

#include "platform.h"

enum { MAX_MODULE_PATHS = 16 };

typedef enum {
	HOME_MISSING, /* no python_home.cfg anywhere */
	HOME_OF_A_BUILD, /* of a developer, who ran build.py */
	HOME_OF_A_RUNTIME, /* staged, with every file that it has */
} HomeKind;

typedef struct {
	HomeKind kind;
	char file[PATH_SIZE]; /* the python_home.cfg */
	char folder[PATH_SIZE]; /* where it lies, with a slash at the end */
	char libpython[PATH_SIZE];
	char home[PATH_SIZE];
	char module_paths[MAX_MODULE_PATHS][PATH_SIZE];
	int module_path_count;
} Home;

/* Fills `home` from what lies around `library_folder` (which ends with a slash). Returns what is wrong, or NULL. */
const char *find_home(const char *library_folder, const char *version, const char *python, Home *home);

#endif
