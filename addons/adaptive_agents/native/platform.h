/* The one table of platforms: everything in the native part that differs between Linux, Windows and macOS stands here.
 *
 * Paths are UTF-8 everywhere, with forward slashes, as the engine gives them; Windows gets them as wide characters.
 */
#ifndef ADAPTIVE_AGENTS_PLATFORM_H
#define ADAPTIVE_AGENTS_PLATFORM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <sys/stat.h>
#include <wchar.h>

#define PLATFORM "windows.x86_64"
#define EXPORT __declspec(dllexport)

/* Writes `text` as wide characters; a text that is no UTF-8 or too long becomes empty, which no file is called. */
static inline const wchar_t *wide(const char *text, wchar_t *result) {
	if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, result, PATH_SIZE))
		result[0] = 0;
	return result;
}

static inline FILE *open_file(const char *path) {
	wchar_t name[PATH_SIZE];
	return _wfopen(wide(path, name), L"rb");
}

/* The bytes of a file, or -1 where there is none. */
static inline int64_t file_size(const char *path) {
	wchar_t name[PATH_SIZE];
	struct _stat64 status;
	if (_wstat64(wide(path, name), &status) || !(status.st_mode & _S_IFREG))
		return -1;
	return status.st_size;
}

/* The altered search path: what the library needs is looked for beside it, not beside the engine. */
static inline void *open_library(const char *path) {
	wchar_t name[PATH_SIZE];
	wide(path, name);
	for (wchar_t *letter = name; *letter; ++letter)
		if (*letter == L'/')
			*letter = L'\\'; /* this search takes no other slash */
	return (void *)LoadLibraryExW(name, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
}

static inline void *find_symbol(void *library, const char *name) {
	return (void *)GetProcAddress((HMODULE)library, name);
}

static inline const char *library_error(void) {
	static char text[64];
	snprintf(text, sizeof text, "Windows error %lu", (unsigned long)GetLastError());
	return text;
}

/* A symbol that another part of the process may have brought: Windows keeps each library's names apart, so they cannot clash. */
static inline void *find_in_process(const char *name) {
	(void)name;
	return NULL;
}

/* `C:/…`, and `//server/share/…` */
static inline int is_absolute(const char *path) {
	return (path[0] && path[1] == ':') || ((path[0] == '/' || path[0] == '\\') && path[1] == path[0]);
}

typedef SRWLOCK Mutex;
#define MUTEX_INITIALIZER SRWLOCK_INIT

static inline void lock(Mutex *mutex) {
	AcquireSRWLockExclusive(mutex);
}

static inline void unlock(Mutex *mutex) {
	ReleaseSRWLockExclusive(mutex);
}

#else /* Linux and macOS */

#include <dlfcn.h>
#include <pthread.h>
#include <sys/stat.h>

#ifdef __APPLE__
#define PLATFORM "macos.universal"
#else
#define PLATFORM "linux.x86_64"
#endif
#define EXPORT __attribute__((visibility("default")))

static inline FILE *open_file(const char *path) {
	return fopen(path, "rb");
}

/* The bytes of a file, or -1 where there is none. */
static inline int64_t file_size(const char *path) {
	struct stat status;
	if (stat(path, &status) || !S_ISREG(status.st_mode))
		return -1;
	return (int64_t)status.st_size;
}

/* With global symbols: numpy's and cffi's own modules look Python up that way. */
static inline void *open_library(const char *path) {
	return dlopen(path, RTLD_NOW | RTLD_GLOBAL);
}

static inline void *find_symbol(void *library, const char *name) {
	return dlsym(library, name);
}

static inline const char *library_error(void) {
	const char *text = dlerror();
	return text ? text : "no reason given";
}

/* A symbol that another part of the process has brought for all to see. */
static inline void *find_in_process(const char *name) {
	void *process = dlopen(NULL, RTLD_NOW);
	return process ? dlsym(process, name) : NULL;
}

static inline int is_absolute(const char *path) {
	return path[0] == '/';
}

typedef pthread_mutex_t Mutex;
#define MUTEX_INITIALIZER PTHREAD_MUTEX_INITIALIZER

static inline void lock(Mutex *mutex) {
	pthread_mutex_lock(mutex);
}

static inline void unlock(Mutex *mutex) {
	pthread_mutex_unlock(mutex);
}

#endif

/* Where a Python may lie, from the library's folder: in a runtime of the platform, or, last, as a developer's build names it.
 * A macOS game keeps its libraries in Contents/Frameworks and everything that is no code in Contents/Resources. */
static const char *const RUNTIME_FOLDERS[] = {
	"adaptive_agents." PLATFORM "/",
#ifdef __APPLE__
	"../Resources/adaptive_agents." PLATFORM "/",
#endif
};

#endif
