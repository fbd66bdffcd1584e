/* The GDExtension entry: starts CPython inside the engine and hands over to adaptive_agents.godot.
 *
 * This library does not link against libpython. It reads `python_home.cfg`, which the build writes beside it, opens the libpython
 * named there with global symbols (numpy's and cffi's own modules look Python up that way) and finds the few functions it
 * needs. So a machine without Python gives one readable engine error instead of a loader message, and the game goes on.
 *
 * Everything the engine calls afterwards lives in bridge.c.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"

#ifdef _WIN32
#include <windows.h>
#define EXPORT __declspec(dllexport)
#define open_library(path) ((void *)LoadLibraryA(path))
#define find_symbol(library, name) ((void *)GetProcAddress((HMODULE)(library), name))
#define library_error() "LoadLibrary failed"
#define is_absolute(path) ((path)[0] && (path)[1] == ':')
#else
#include <dlfcn.h>
#define EXPORT __attribute__((visibility("default")))
#define open_library(path) dlopen(path, RTLD_NOW | RTLD_GLOBAL)
#define find_symbol(library, name) dlsym(library, name)
#define library_error() dlerror()
#define is_absolute(path) ((path)[0] == '/')
#endif

#define PATH_SIZE 4096
#define MAX_MODULE_PATHS 16

/* The part of libpython that is used here, looked up by name. */
#define PYTHON_FUNCTIONS(X)                                                                                                    \
	X(PyConfig_InitIsolatedConfig) X(PyConfig_SetBytesString) X(PyConfig_Clear) X(PyWideStringList_Append)                     \
	X(Py_InitializeFromConfig) X(Py_IsInitialized) X(Py_DecodeLocale) X(PyMem_RawFree) X(PyStatus_Exception)                   \
	X(PyGILState_Ensure) X(PyGILState_Release) X(PyEval_SaveThread) X(PyImport_AddModule) X(PyModule_GetDict)                  \
	X(PyRun_String) X(PyLong_FromVoidPtr) X(PyDict_SetItemString) X(PyDict_GetItemString) X(PyUnicode_AsUTF8) X(Py_DecRef)

#define DECLARE(name) static __typeof__(&name) python_##name;
PYTHON_FUNCTIONS(DECLARE)

typedef struct {
	char libpython[PATH_SIZE];
	char home[PATH_SIZE];
	char module_paths[MAX_MODULE_PATHS][PATH_SIZE];
	int module_path_count;
} Home;

static char message[PATH_SIZE * 2];

static const char *const WHAT_TO_DO = "Run addons/adaptive_agents/native/build.py with the Python that has the addon's packages (README, step 1; in "
									  "a clone of Adaptive Agents: `make`), then start the engine again.";

/* The interpreter's first words. A failure of any kind comes back as text, so that there is one place where it is reported. */
static const char *const START =
		"try:\n"
		"    from adaptive_agents.godot import start\n"
		"    start.start(host)\n"
		"    failure = ''\n"
		"except Exception:\n"
		"    import traceback\n"
		"    failure = traceback.format_exc()\n";

static void no_level(void *userdata, GDExtensionInitializationLevel level) {
	(void)userdata;
	(void)level;
}

static void report(const char *reason) {
	static char text[PATH_SIZE * 3];
	snprintf(text, sizeof text, "Adaptive Agents is switched off and its agents stay idle: %s\n%s", reason, WHAT_TO_DO);
	print_error_with_message("Adaptive Agents could not start Python.", text, "adaptive_agents_entry", "addons/adaptive_agents/native/entry.c", __LINE__, 1);
}

static int file_exists(const char *path) {
	FILE *file = fopen(path, "rb");
	if (file)
		fclose(file);
	return file != NULL;
}

/* Where this library lies, with a slash at the end. */
static void own_folder(GDExtensionInterfaceGetProcAddress get_proc_address, GDExtensionClassLibraryPtr library, char *folder) {
	GDExtensionInterfaceGetLibraryPath get_path = (GDExtensionInterfaceGetLibraryPath)get_proc_address("get_library_path");
	GDExtensionInterfaceStringToUtf8Chars to_utf8 = (GDExtensionInterfaceStringToUtf8Chars)get_proc_address("string_to_utf8_chars");
	GDExtensionInterfaceVariantGetPtrDestructor get_destructor =
			(GDExtensionInterfaceVariantGetPtrDestructor)get_proc_address("variant_get_ptr_destructor");
	void *path[4];
	get_path(library, path);
	GDExtensionInt length = to_utf8(path, folder, PATH_SIZE - 1);
	if (length > PATH_SIZE - 1)
		length = PATH_SIZE - 1;
	get_destructor(GDEXTENSION_VARIANT_TYPE_STRING)(path);
	while (length > 0 && folder[length - 1] != '/' && folder[length - 1] != '\\')
		--length;
	folder[length] = 0;
}

/* `python_home.cfg`: one `key=value` a line; a relative path is relative to the file. Returns what is wrong, or NULL. */
static const char *read_home(const char *folder, Home *home) {
	char path[PATH_SIZE], line[PATH_SIZE];
	snprintf(path, sizeof path, "%.*s%s", PATH_SIZE - 32, folder, "python_home.cfg");
	FILE *file = fopen(path, "rb");
	if (!file) {
		snprintf(message, sizeof message, "there is no Python home beside the library: '%s' is missing.", path);
		return message;
	}
	memset(home, 0, sizeof *home);
	while (fgets(line, sizeof line, file)) {
		char *value = strchr(line, '=');
		char *target = NULL;
		line[strcspn(line, "\r\n")] = 0;
		if (!value || line[0] == '#')
			continue;
		*value++ = 0;
		if (!strcmp(line, "libpython"))
			target = home->libpython;
		else if (!strcmp(line, "home"))
			target = home->home;
		else if (!strcmp(line, "path") && home->module_path_count < MAX_MODULE_PATHS)
			target = home->module_paths[home->module_path_count++];
		if (target)
			snprintf(target, PATH_SIZE, "%s%s", is_absolute(value) ? "" : folder, value);
	}
	fclose(file);
	if (!home->libpython[0] || !home->home[0] || !home->module_path_count) {
		snprintf(message, sizeof message, "'%s' does not name libpython, home and path.", path);
		return message;
	}
	if (!file_exists(home->libpython)) {
		snprintf(message, sizeof message, "'%s' names the Python library '%s', which is not there.", path, home->libpython);
		return message;
	}
	return NULL;
}

static const char *load_python(const char *libpython) {
	void *python = open_library(libpython);
	if (!python) {
		snprintf(message, sizeof message, "the Python library '%s' cannot be opened: %s.", libpython, library_error());
		return message;
	}
#define LOOK_UP(name)                                                                                                          \
	*(void **)&python_##name = find_symbol(python, #name);                                                                     \
	if (!python_##name) {                                                                                                      \
		snprintf(message, sizeof message, "'%s' has no %s: it is not the Python this addon was built for.", libpython, #name); \
		return message;                                                                                                        \
	}
	PYTHON_FUNCTIONS(LOOK_UP)
	return NULL;
}

/* An isolated interpreter: nothing of the player's environment reaches it, and the engine keeps its signals. */
static const char *start_interpreter(const Home *home) {
	PyConfig config;
	python_PyConfig_InitIsolatedConfig(&config);
	config.install_signal_handlers = 0;
	config.site_import = 0;
	config.write_bytecode = 1;
	config.module_search_paths_set = 1;
	PyStatus status = python_PyConfig_SetBytesString(&config, &config.home, home->home);
	for (int i = 0; i < home->module_path_count && !python_PyStatus_Exception(status); ++i) {
		wchar_t *path = python_Py_DecodeLocale(home->module_paths[i], NULL);
		status = python_PyWideStringList_Append(&config.module_search_paths, path);
		python_PyMem_RawFree(path);
	}
	if (!python_PyStatus_Exception(status))
		status = python_Py_InitializeFromConfig(&config);
	python_PyConfig_Clear(&config);
	if (python_PyStatus_Exception(status)) {
		snprintf(message, sizeof message, "Python does not start from '%s': %s.", home->home, status.err_msg ? status.err_msg : "no reason given");
		return message;
	}
	python_PyEval_SaveThread();
	return NULL;
}

static const char *hand_over(aa_host *host) {
	PyGILState_STATE state = python_PyGILState_Ensure();
	PyObject *names = python_PyModule_GetDict(python_PyImport_AddModule("__main__"));
	PyObject *number = python_PyLong_FromVoidPtr(host);
	python_PyDict_SetItemString(names, "host", number);
	python_Py_DecRef(number);
	PyObject *result = python_PyRun_String(START, Py_file_input, names, names);
	PyObject *failure = result ? python_PyDict_GetItemString(names, "failure") : NULL;
	const char *text = failure ? python_PyUnicode_AsUTF8(failure) : "the start-up code did not run.";
	snprintf(message, sizeof message, "%s", text ? text : "the start-up error cannot be shown.");
	if (result)
		python_Py_DecRef(result);
	python_PyGILState_Release(state);
	return message[0] ? message : NULL;
}

static int join(aa_host *host) {
	const char *failure = hand_over(host);
	if (failure)
		report(failure);
	return !failure;
}

EXPORT GDExtensionBool adaptive_agents_entry(GDExtensionInterfaceGetProcAddress get_proc_address, GDExtensionClassLibraryPtr library,
		GDExtensionInitialization *initialization) {
	static Home home;
	char folder[PATH_SIZE];
	print_error_with_message = (GDExtensionInterfacePrintErrorWithMessage)get_proc_address("print_error_with_message");
	initialization->minimum_initialization_level = GDEXTENSION_INITIALIZATION_SCENE;
	initialization->userdata = NULL;
	initialization->initialize = no_level;
	initialization->deinitialize = no_level;
	own_folder(get_proc_address, library, folder);
	const char *failure = read_home(folder, &home);
	if (!failure)
		failure = load_python(home.libpython);
	if (!failure && !python_Py_IsInitialized())
		failure = start_interpreter(&home);
	if (failure)
		report(failure);
	aa_start(get_proc_address, library, initialization, failure ? NULL : join);
	/* Success either way: a refusal would make the engine print more errors and, in the editor, try again and again. */
	return 1;
}
