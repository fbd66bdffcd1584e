/* The GDExtension entry: finds Python (home.c), starts it inside the engine (interpreter.c), and says it once if that fails.
 *
 * A failure never stops the game: its classes are registered all the same (idle.c), and its agents stay idle. What is said depends on
 * who reads it: a developer is told what to build or unpack, a player to install the game again.
 */
#include "entry.h"

#include "idle.h"
#include "interpreter.h"

#ifndef ADDON_VERSION
#error "build.py defines ADDON_VERSION, from plugin.cfg"
#endif

typedef struct {
	uint64_t opaque[5];
} Value; /* room for a Variant */

static struct {
	GDExtensionInterfaceGetProcAddress get_proc_address;
	GDExtensionInterfacePrintErrorWithMessage print_error;
	GDExtensionInterfaceGlobalGetSingleton get_singleton;
	GDExtensionInterfaceStringNameNewWithUtf8Chars new_name;
	GDExtensionInterfaceStringNewWithUtf8Chars new_string;
	GDExtensionInterfaceStringToUtf8Chars to_utf8;
	GDExtensionInterfaceVariantCall call;
	GDExtensionInterfaceVariantDestroy destroy;
	GDExtensionInterfaceGetVariantFromTypeConstructor to_variant;
	GDExtensionInterfaceGetVariantToTypeConstructor from_variant;
	GDExtensionInterfaceVariantGetPtrDestructor destructor;
} engine;

static Home home;
static const char *failure; /* why there is no Python */
static void (*initialize_rest)(void *userdata, GDExtensionInitializationLevel level);

static int know_engine(GDExtensionInterfaceGetProcAddress get_proc_address) {
	engine.get_proc_address = get_proc_address;
#define LOOK_UP(member, name)                                                                                                  \
	*(GDExtensionInterfaceFunctionPtr *)&engine.member = get_proc_address(name);                                               \
	if (!engine.member)                                                                                                        \
		return 0;
	LOOK_UP(print_error, "print_error_with_message")
	LOOK_UP(get_singleton, "global_get_singleton")
	LOOK_UP(new_name, "string_name_new_with_utf8_chars")
	LOOK_UP(new_string, "string_new_with_utf8_chars")
	LOOK_UP(to_utf8, "string_to_utf8_chars")
	LOOK_UP(call, "variant_call")
	LOOK_UP(destroy, "variant_destroy")
	LOOK_UP(to_variant, "get_variant_from_type_constructor")
	LOOK_UP(from_variant, "get_variant_to_type_constructor")
	LOOK_UP(destructor, "variant_get_ptr_destructor")
	return 1;
}

/* ---- a few words with the engine */

static Value string_value(const char *text) {
	Value value;
	void *string[1];
	engine.new_string(string, text);
	engine.to_variant(GDEXTENSION_VARIANT_TYPE_STRING)(&value, string);
	engine.destructor(GDEXTENSION_VARIANT_TYPE_STRING)(string);
	return value;
}

/* Calls a method of one of the engine's singletons with texts; the answer is the caller's to destroy. */
static Value ask(const char *singleton, const char *method, const char *const *texts, int count) {
	Value self, arguments[3], answer;
	const void *pointers[3];
	void *name[1];
	GDExtensionCallError error;
	engine.new_name(name, singleton);
	GDExtensionObjectPtr object = engine.get_singleton(name);
	engine.destructor(GDEXTENSION_VARIANT_TYPE_STRING_NAME)(name);
	engine.to_variant(GDEXTENSION_VARIANT_TYPE_OBJECT)(&self, &object);
	for (int i = 0; i < count; ++i) {
		arguments[i] = string_value(texts[i]);
		pointers[i] = &arguments[i];
	}
	engine.new_name(name, method);
	engine.call(&self, name, pointers, count, &answer, &error);
	engine.destructor(GDEXTENSION_VARIANT_TYPE_STRING_NAME)(name);
	for (int i = 0; i < count; ++i)
		engine.destroy(&arguments[i]);
	engine.destroy(&self);
	return answer;
}

/* An exported game, also one exported for debugging; not the editor, nor a game started from it. */
static int is_exported(void) {
	GDExtensionBool result = 0;
	const char *feature[] = { "template" };
	Value answer = ask("OS", "has_feature", feature, 1);
	engine.from_variant(GDEXTENSION_VARIANT_TYPE_BOOL)(&result, &answer);
	engine.destroy(&answer);
	return result;
}

static int has_window(void) {
	void *string[1];
	char text[16] = "";
	Value answer = ask("DisplayServer", "get_name", NULL, 0);
	engine.from_variant(GDEXTENSION_VARIANT_TYPE_STRING)(string, &answer);
	GDExtensionInt length = engine.to_utf8(string, text, sizeof text - 1);
	text[length < (GDExtensionInt)sizeof text ? length : (GDExtensionInt)sizeof text - 1] = 0;
	engine.destructor(GDEXTENSION_VARIANT_TYPE_STRING)(string);
	engine.destroy(&answer);
	return text[0] && strcmp(text, "headless");
}

/* Where this library lies, with a slash at the end. */
static void own_folder(GDExtensionClassLibraryPtr library, char *folder) {
	GDExtensionInterfaceGetLibraryPath get_path = (GDExtensionInterfaceGetLibraryPath)engine.get_proc_address("get_library_path");
	void *path[1];
	get_path(library, path);
	GDExtensionInt length = engine.to_utf8(path, folder, PATH_SIZE - 1);
	if (length > PATH_SIZE - 1)
		length = PATH_SIZE - 1;
	engine.destructor(GDEXTENSION_VARIANT_TYPE_STRING)(path);
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

static void report_to_player(const char *reason) {
	static char text[PATH_SIZE * 5];
	const char *alert[] = { "alert", text, "Adaptive Agents" };
	snprintf(text, sizeof text, "This game's files are incomplete: %s\nInstall the game again. It plays on without adaptive enemies.", reason);
	engine.print_error("Adaptive Agents could not start.", text, "adaptive_agents_entry", "adaptive_agents", 0, 0);
	if (!has_window())
		return; /* a server or a test: nobody would close the dialog, and the run would wait for ever */
	/* Deferred to the first frame: on the main thread, and with the game's window behind the dialog. */
	Value nothing = ask("OS", "call_deferred", alert, 3);
	engine.destroy(&nothing);
}

/* Once per run: every agent would have the same to say. */
static void report(const char *reason) {
	static char text[PATH_SIZE * 5];
	if (is_exported()) {
		report_to_player(reason);
		return;
	}
	const char *advice = home.kind == HOME_OF_A_BUILD ? BUILD_AGAIN : home.kind == HOME_OF_A_RUNTIME ? UNPACK_AGAIN : NOT_HERE;
	snprintf(text, sizeof text, "Adaptive Agents is switched off and its agents stay idle: %s\n%s", reason, advice);
	engine.print_error("Adaptive Agents could not start Python.", text, "adaptive_agents_entry", "addons/adaptive_agents/native/entry.c",
			__LINE__, 1);
}

/* ---- the entry */

int join(void *get_proc_address, void *library, void *initialization) {
	static Mutex mutex = MUTEX_INITIALIZER;
	static int tried;
	lock(&mutex);
	if (!tried && !failure)
		failure = hand_over(get_proc_address, library, initialization);
	tried = 1;
	unlock(&mutex);
	return failure == NULL;
}

static void nothing_to_initialize(void *userdata, GDExtensionInitializationLevel level) {
	(void)userdata, (void)level;
}

/* The engine's singletons, which say who is reading, are there from the level of scenes on. */
static void initialize(void *userdata, GDExtensionInitializationLevel level) {
	if (failure && level == GDEXTENSION_INITIALIZATION_SCENE)
		report(failure);
	initialize_rest(userdata, level);
}

EXPORT GDExtensionBool adaptive_agents_entry(GDExtensionInterfaceGetProcAddress get_proc_address, GDExtensionClassLibraryPtr library,
		GDExtensionInitialization *initialization) {
	char folder[PATH_SIZE];
	initialization->minimum_initialization_level = GDEXTENSION_INITIALIZATION_SCENE;
	initialization->userdata = NULL;
	initialization->initialize = nothing_to_initialize;
	initialization->deinitialize = nothing_to_initialize;
	if (!know_engine(get_proc_address))
		return 0; /* older than any engine that the addon's compatibility_minimum lets through */
	own_folder(library, folder);
	failure = find_home(folder, ADDON_VERSION, PYTHON_VERSION, &home);
	if (!failure)
		failure = start_python(&home);
	if (!failure)
		join((void *)get_proc_address, library, initialization);
	if (failure)
		idle_start(get_proc_address, library, initialization);
	initialize_rest = initialization->initialize;
	initialization->initialize = initialize;
	/* Success either way: a refusal would make the engine print more errors and, in the editor, try again and again. */
	return 1;
}
