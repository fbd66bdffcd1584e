#include <pthread.h>
typedef pthread_mutex_t platform_mutex;
#define PLATFORM_MUTEX PTHREAD_MUTEX_INITIALIZER
#define platform_lock(mutex) pthread_mutex_lock(mutex)
#define platform_unlock(mutex) pthread_mutex_unlock(mutex)
