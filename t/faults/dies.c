/* dies: a worker that cannot live (LD_PRELOAD): it crashes when it prepares
 * its first request. */
#include <signal.h>

int FCGX_InitRequest(void *request, int sock, int flags);

int
FCGX_InitRequest(void *request, int sock, int flags)
{
	(void)request;
	(void)sock;
	(void)flags;
	raise(SIGSEGV);
	return -1;
}
