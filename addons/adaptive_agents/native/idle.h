/* The addon's classes without Python, for a machine where it cannot start: see idle.c. */
#include "gdextension_interface.h"

enum { IDLE_MAX_ARGUMENTS = 4 };

typedef struct {
	const char *name;
	int type;
	const char *class_name;
	int hint;
	const char *hint_text;
	unsigned usage;
	const char *getter;
	const char *setter; /* empty: read only */
	double value; /* what it starts with, where it is a number */
} IdleProperty;

typedef struct {
	const char *name;
	int type;
	const char *class_name;
} IdleArgument;

typedef struct {
	const char *name;
	unsigned flags;
	int returns; /* -1: nothing */
	const char *return_class;
	int argument_count;
	IdleArgument arguments[IDLE_MAX_ARGUMENTS];
} IdleMethod;

typedef struct {
	const char *enumeration;
	const char *name;
	int value;
} IdleConstant;

typedef struct {
	const char *name;
	const char *base;
	int property_count;
	const IdleProperty *properties;
	int method_count;
	const IdleMethod *methods;
	int signal_count;
	const IdleMethod *signals;
	int constant_count;
	const IdleConstant *constants;
} IdleClass;

/* Registers the classes when the engine is ready for them. */
void idle_start(GDExtensionInterfaceGetProcAddress get_proc_address, GDExtensionClassLibraryPtr library,
		GDExtensionInitialization *initialization);
