/* What the rest of the library asks of the entry. */
#ifndef ADAPTIVE_AGENTS_ENTRY_H
#define ADAPTIVE_AGENTS_ENTRY_H

/* Lets Python in: imports adaptive_agents, once, at the first call. From any thread. Returns 1 if Python is there; a failure is
 * reported once, by this function. */
int join(void *get_proc_address, void *library, void *initialization);

#endif
