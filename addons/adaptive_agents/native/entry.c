/* The GDExtension entry: finds Python (home.c), starts it inside the engine (interpreter.c), and says it once if that fails.
 *
 * A failure never stops the game: its classes are registered all the same (classes.c), and its agents stay idle. What is said depends on
 * who reads it: a developer is told what to build or unpack, a player to install the game again.
 */
#include "classes.h"
#include "interpreter.h"
#include "platform.h"

#ifndef ADDON_VERSION
#error "build.py defines ADDON_VERSION, from plugin.cfg"
#endif

static Home home;
static const char *failure; /* why there is no Python */
static int is_whole; /* all its files are there */
static void (*register_classes)(void *userdata, GDExtensionInitializationLevel level);

/* An exported game, also one exported for debugging; not the editor, nor a game started from it. */
static int is_exported(void) {
	return aa_ask_whether("OS", "has_feature", "template");
}

static int has_window(void) {
	void *string[1];
	char text[16];
	aa_variant answer = aa_ask("DisplayServer", "get_name", NULL, 0);
	get_variant_to_type_constructor(GDEXTENSION_VARIANT_TYPE_STRING)(string, &answer);
	aa_read_string(string, text, sizeof text);
	variant_get_ptr_destructor(GDEXTENSION_VARIANT_TYPE_STRING)(string);
	variant_destroy(&answer);
	return text[0] && strcmp(text, "headless");
}

/* Where this library lies, with a slash at the end. */
static void own_folder(GDExtensionInterfaceGetProcAddress get_proc_address, GDExtensionClassLibraryPtr library, char *folder) {
	GDExtensionInterfaceGetLibraryPath get_path = (GDExtensionInterfaceGetLibraryPath)get_proc_address("get_library_path");
	void *path[1];
	get_path(library, path);
	aa_read_string(path, folder, PATH_SIZE);
	variant_get_ptr_destructor(GDEXTENSION_VARIANT_TYPE_STRING)(path);
	size_t length = strlen(folder);
	while (length > 0 && folder[length - 1] != '/' && folder[length - 1] != '\\')
		--length;
	folder[length] = 0;
}

/* ---- what is said when there is no Python */

static const char *const BUILD_AGAIN =
		"Run addons/adaptive_agents/native/build.py with the Python that has the addon's packages (README, step 1; in a clone of "
		"Adaptive Agents: `make`), then start the engine again.";

static const char *const NOT_HERE =
		"This addon holds no Python for " PLATFORM ". Unpack the adaptive_agents zip of that platform into the project; or, in a clone of "
		"Adaptive Agents, run addons/adaptive_agents/native/build.py (README, step 1). Then start the engine again.";

static const char *const UNPACK_AGAIN =
		"Delete addons/adaptive_agents and unpack the addon's zip into the project again, then start the engine again.";

static const char *const ONE_OF_TWO = "Two addons that bring a Python cannot run in one process: switch one of them off.";

static const char *const INCOMPLETE = "This game's files are incomplete: %s\nInstall the game again. It plays on without adaptive enemies.";

static const char *const NOT_STARTED = "The adaptive enemies of this game could not be started: %s\nIt plays on without them. If installing "
									   "it again does not help, please tell its makers.";

static char for_the_player[PATH_SIZE * 5];

/* A server or a test has no window: nobody would close the dialog there, and the run would wait for ever. */
static void show_to_player(void *userdata, const GDExtensionConstVariantPtr *arguments, GDExtensionInt count, GDExtensionVariantPtr result,
		GDExtensionCallError *error) {
	aa_variant words[2];
	const void *shown[] = { &words[0], &words[1] };
	(void)userdata, (void)arguments, (void)count, (void)result;
	error->error = GDEXTENSION_CALL_OK;
	if (!has_window())
		return;
	aa_wrap_text(&words[0], for_the_player);
	aa_wrap_text(&words[1], "Adaptive Agents");
	aa_variant nothing = aa_ask("OS", "alert", shown, 2);
	variant_destroy(&nothing);
	variant_destroy(&words[0]);
	variant_destroy(&words[1]);
}

static void report_to_player(const char *reason) {
	snprintf(for_the_player, sizeof for_the_player, is_whole ? NOT_STARTED : INCOMPLETE, reason);
	print_error_with_message("Adaptive Agents could not start.", for_the_player, "adaptive_agents_entry", "adaptive_agents", 0, 0);
	/* Deferred to the first frame: only then the engine knows whether there is a window, and it stands behind the dialog. */
	uint64_t callable[2];
	aa_variant deferred, nothing;
	GDExtensionCallError error;
	GDExtensionCallableCustomInfo2 info = { 0 };
	info.token = aa_library;
	info.call_func = show_to_player;
	callable_custom_create2(callable, &info);
	aa_wrap(GDEXTENSION_VARIANT_TYPE_CALLABLE, &deferred, callable);
	variant_call(&deferred, aa_name("call_deferred"), NULL, 0, &nothing, &error);
	variant_destroy(&nothing);
	variant_destroy(&deferred);
	variant_get_ptr_destructor(GDEXTENSION_VARIANT_TYPE_CALLABLE)(callable);
}

/* Once per run: every agent would have the same to say. */
static void report(const char *reason) {
	static char text[PATH_SIZE * 5];
	if (is_exported()) {
		report_to_player(reason);
		return;
	}
	const char *advice = home.kind == HOME_OF_A_BUILD ? BUILD_AGAIN : home.kind == HOME_OF_A_RUNTIME ? UNPACK_AGAIN : NOT_HERE;
	if (another_python)
		advice = ONE_OF_TWO;
	snprintf(text, sizeof text, "Adaptive Agents is switched off and its agents stay idle: %s\n%s", reason, advice);
	print_error_with_message("Adaptive Agents could not start Python.", text, "adaptive_agents_entry", "addons/adaptive_agents/native/entry.c",
			__LINE__, 1);
}

/* ---- the entry */

static int join(aa_host *host) {
	failure = hand_over(host);
	if (failure)
		report(failure);
	return !failure;
}

static void nothing_to_initialize(void *userdata, GDExtensionInitializationLevel level) {
	(void)userdata, (void)level;
}

/* The engine's singletons, which say who is reading, are there from the level of scenes on. */
static void initialize(void *userdata, GDExtensionInitializationLevel level) {
	if (failure && level == GDEXTENSION_INITIALIZATION_SCENE)
		report(failure);
	register_classes(userdata, level);
}

EXPORT GDExtensionBool adaptive_agents_entry(GDExtensionInterfaceGetProcAddress get_proc_address, GDExtensionClassLibraryPtr library,
		GDExtensionInitialization *initialization) {
	static int is_here;
	char folder[PATH_SIZE];
	initialization->minimum_initialization_level = GDEXTENSION_INITIALIZATION_SCENE;
	initialization->userdata = NULL;
	initialization->initialize = nothing_to_initialize;
	initialization->deinitialize = nothing_to_initialize;
	if (!aa_know_engine(get_proc_address))
		return 0; /* older than any engine that the addon's compatibility_minimum lets through */
	/* A second copy of the addon names the same library, and its classes would meet those of the first. */
	if (is_here) {
		print_error_with_message("Adaptive Agents is here already.",
				"This project has Adaptive Agents twice: two files adaptive_agents.gdextension name this library. Keep the one in "
				"res://addons/adaptive_agents and delete the other copy.",
				"adaptive_agents_entry", "addons/adaptive_agents/native/entry.c", __LINE__, 1);
		return 1;
	}
	is_here = 1;
	own_folder(get_proc_address, library, folder);
	failure = find_home(folder, ADDON_VERSION, PYTHON_VERSION, &home);
	is_whole = !failure;
	if (!failure)
		failure = start_python(&home);
	aa_start(get_proc_address, library, initialization, failure ? NULL : join);
	register_classes = initialization->initialize;
	initialization->initialize = initialize;
	/* Success either way: a refusal would make the engine print more errors and, in the editor, try again and again. */
	return 1;
}
