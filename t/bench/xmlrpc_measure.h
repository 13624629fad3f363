/* What xmlrpc_read.c and xmlrpc_other.c measure, in the same way. */
#ifndef PONTE_BENCH_XMLRPC_MEASURE_H
#define PONTE_BENCH_XMLRPC_MEASURE_H

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct measure { struct timespec since; long kib; };

static inline long
measure_status(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	long kib = -1;
	while (f && kib < 0 && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			kib = strtol(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

/* From here on the peak is that of what is measured. */
static inline struct measure
measure_begin(void)
{
	struct measure m = { .kib = 0 };
	malloc_trim(0);                 /* what was freed before is not room for it */
	FILE *f = fopen("/proc/self/clear_refs", "w");
	if (f) {
		fputs("5", f);
		fclose(f);
	}
	m.kib = measure_status("VmRSS:");
	clock_gettime(CLOCK_MONOTONIC, &m.since);
	return m;
}

static inline void
measure_end(const struct measure *m)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("{\"seconds\": %.6f, \"kib\": %ld, ", (double)(now.tv_sec - m->since.tv_sec)
	    + (double)(now.tv_nsec - m->since.tv_nsec) / 1e9, measure_status("VmHWM:") - m->kib);
}

static inline void
measure_counted(unsigned long long values, unsigned long long bytes)
{
	printf("\"values\": %llu, \"bytes\": %llu}\n", values, bytes);
}

#endif
