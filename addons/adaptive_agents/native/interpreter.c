/* Starts CPython inside the engine and hands over to adaptive_agents.godot.
 *
 * The libpython that `python_home.cfg` names is opened with global symbols (numpy's and cffi's own modules look Python up that way),
 * and the few functions that are needed here are found in it by name. So a machine without Python gives one readable engine error
 * instead of a loader's message, and the game goes on.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "interpreter.h"

#define IN_QUOTES(x) #x
#define QUOTED(x) IN_QUOTES(x)

const char *const PYTHON_VERSION = QUOTED(PY_MAJOR_VERSION) "." QUOTED(PY_MINOR_VERSION);

int another_python;

/* The part of libpython that is used here. */
#define PYTHON_FUNCTIONS(X)                                                                                                    \
	X(void, PyPreConfig_InitIsolatedConfig, (PyPreConfig *))                                                                   \
	X(PyStatus, Py_PreInitialize, (const PyPreConfig *))                                                                       \
	X(void, PyConfig_InitIsolatedConfig, (PyConfig *))                                                                         \
	X(PyStatus, PyConfig_SetString, (PyConfig *, wchar_t **, const wchar_t *))                                                 \
	X(void, PyConfig_Clear, (PyConfig *))                                                                                      \
	X(PyStatus, PyWideStringList_Append, (PyWideStringList *, const wchar_t *))                                                \
	X(PyStatus, Py_InitializeFromConfig, (const PyConfig *))                                                                   \
	X(int, PyStatus_Exception, (PyStatus))                                                                                     \
	X(wchar_t *, Py_DecodeLocale, (const char *, size_t *))                                                                    \
	X(void, PyMem_RawFree, (void *))                                                                                           \
	X(PyGILState_STATE, PyGILState_Ensure, (void))                                                                             \
	X(void, PyGILState_Release, (PyGILState_STATE))                                                                            \
	X(PyThreadState *, PyEval_SaveThread, (void))                                                                              \
	X(PyObject *, PyImport_AddModule, (const char *))                                                                          \
	X(PyObject *, PyModule_GetDict, (PyObject *))                                                                              \
	X(PyObject *, PyRun_String, (const char *, int, PyObject *, PyObject *))                                                   \
	X(PyObject *, PyLong_FromVoidPtr, (void *))                                                                                \
	X(int, PyDict_SetItemString, (PyObject *, const char *, PyObject *))                                                       \
	X(PyObject *, PyDict_GetItemString, (PyObject *, const char *))                                                            \
	X(const char *, PyUnicode_AsUTF8, (PyObject *))                                                                            \
	X(void, Py_DecRef, (PyObject *))

#define DECLARE(result, name, arguments) static result(*python_##name) arguments;
PYTHON_FUNCTIONS(DECLARE)

static char message[PATH_SIZE * 4];

#define FAIL(...) return snprintf(message, sizeof message, __VA_ARGS__), message

/* Two interpreters that share their symbols would break each other; another addon may have been first. */
static const char *check_alone(int (*is_initialized)(void), const char *(*get_version)(void)) {
	another_python = is_initialized && get_version && is_initialized();
	if (another_python)
		FAIL("another addon of this game has started Python %.*s already, and there can be one only.",
				(int)strcspn(get_version(), " "), get_version());
	return NULL;
}

/* Two functions come before all others: they are the same in every Python, and the rest is looked at in the right one only. */
static const char *load_python(const char *libpython) {
	const char *failure = check_alone((int (*)(void))find_in_process("Py_IsInitialized"), (const char *(*)(void))find_in_process("Py_GetVersion"));
	if (failure)
		return failure;
	void *python = open_library(libpython);
	if (!python)
		FAIL("the Python library '%s' cannot be opened: %s.", libpython, library_error());
	int (*is_initialized)(void) = (int (*)(void))find_symbol(python, "Py_IsInitialized");
	const char *(*get_version)(void) = (const char *(*)(void))find_symbol(python, "Py_GetVersion");
	if (!is_initialized || !get_version)
		FAIL("'%s' is no Python library: it has no Py_GetVersion.", libpython);
	size_t length = strlen(PYTHON_VERSION);
	const char *version = get_version();
	if (strncmp(version, PYTHON_VERSION, length) || version[length] != '.')
		FAIL("'%s' is Python %.*s, and this library was built for Python %s.", libpython, (int)strcspn(version, " "), version, PYTHON_VERSION);
	failure = check_alone(is_initialized, get_version);
	if (failure)
		return failure;
#define LOOK_UP(result, name, arguments)                                                                                       \
	*(void **)&python_##name = find_symbol(python, #name);                                                                     \
	if (!python_##name)                                                                                                        \
		FAIL("'%s' has no %s: it is not the Python that this addon was built for.", libpython, #name);
	PYTHON_FUNCTIONS(LOOK_UP)
	return NULL;
}

/* UTF-8 whatever the player's locale says: in a C locale Python would not even find itself in a folder called "Spiel äöü". */
static PyStatus choose_utf8(void) {
	PyPreConfig before;
	python_PyPreConfig_InitIsolatedConfig(&before);
	before.utf8_mode = 1;
	return python_Py_PreInitialize(&before);
}

static PyStatus no_memory(void) {
	PyStatus status;
	memset(&status, 0, sizeof status);
	status._type = _PyStatus_TYPE_ERROR;
	status.err_msg = "out of memory, or a path that cannot be read as UTF-8";
	return status;
}

static PyStatus set_path(PyConfig *config, wchar_t **target, const char *path) {
	wchar_t *text = python_Py_DecodeLocale(path, NULL);
	PyStatus status = text ? python_PyConfig_SetString(config, target, text) : no_memory();
	python_PyMem_RawFree(text);
	return status;
}

static PyStatus add_path(PyWideStringList *list, const char *path) {
	wchar_t *text = python_Py_DecodeLocale(path, NULL);
	PyStatus status = text ? python_PyWideStringList_Append(list, text) : no_memory();
	python_PyMem_RawFree(text);
	return status;
}

/* Nothing of the player's environment reaches it, and the engine keeps its signals. */
static PyStatus start_isolated(const Home *home) {
	PyConfig config;
	char program[PATH_SIZE];
	PyStatus status = choose_utf8();
	if (python_PyStatus_Exception(status))
		return status;
	python_PyConfig_InitIsolatedConfig(&config);
	config.install_signal_handlers = 0;
	config.site_import = 0;
	config.write_bytecode = home->kind == HOME_OF_A_BUILD; /* a player's files stay as they were installed */
	config.module_search_paths_set = 1;
	/* Without a name of its own Python would look for a python3 on the player's PATH. No such program is there, or needed. */
	snprintf(program, sizeof program, "%.*spython", PATH_SIZE - 16, home->folder);
	const struct {
		wchar_t **target;
		const char *path;
	} paths[] = {
		{ &config.home, home->home },
		{ &config.program_name, program },
		{ &config.executable, program },
		{ &config.base_executable, program },
		{ &config.prefix, home->home },
		{ &config.exec_prefix, home->home },
		{ &config.base_prefix, home->home },
		{ &config.base_exec_prefix, home->home },
	};
	for (size_t i = 0; i < sizeof paths / sizeof *paths && !python_PyStatus_Exception(status); ++i)
		status = set_path(&config, paths[i].target, paths[i].path);
	for (int i = 0; i < home->module_path_count && !python_PyStatus_Exception(status); ++i)
		status = add_path(&config.module_search_paths, home->module_paths[i]);
	if (!python_PyStatus_Exception(status))
		status = python_Py_InitializeFromConfig(&config);
	python_PyConfig_Clear(&config);
	return status;
}

const char *start_python(const Home *home) {
	const char *failure = load_python(home->libpython);
	if (failure)
		return failure;
	PyStatus status = start_isolated(home);
	if (python_PyStatus_Exception(status))
		FAIL("Python does not start from '%s': %s.", home->home, status.err_msg ? status.err_msg : "no reason given");
	python_PyEval_SaveThread();
	return NULL;
}

/* The interpreter's first words. A failure of any kind comes back as text, so that there is one place where it is reported. */
static const char *const START =
		"try:\n"
		"    from adaptive_agents import nodes\n"
		"    from adaptive_agents.godot import start\n"
		"    start.start(host, nodes.CLASSES, nodes.begin, nodes.end)\n"
		"    failure = ''\n"
		"except Exception:\n"
		"    import traceback\n"
		"    failure = traceback.format_exc()\n";

const char *hand_over(void *host) {
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
