/* noop: what nginx and libfcgi can do at best.  A prefork FastCGI worker that
 * reads the body and answers a constant.   noop SOCKET PROCESSES */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "lib/base.h"
#include "lib/net.h"

static _Noreturn void
serve(int fd)
{
	FCGX_Request request;
	char body[65536];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	FCGX_Init();
	FCGX_InitRequest(&request, fd, 0);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, -1) < 0 || FCGX_Accept_r(&request) < 0)
			continue;
		while (FCGX_GetStr(body, sizeof(body), request.in) > 0)
			;
		FCGX_FPrintF(request.out, "Status: 200 OK\r\nContent-Type: application/json\r\n\r\n{\"status\":\"accepted\"}");
		FCGX_Finish_r(&request);
	}
}

int
main(int argc, char **argv)
{
	uint64_t processes;
	int fd;

	if (argc != 3 || slice_to_u64(slice_of(argv[2]), 1, 64, &processes) != 0 || net_listen(argv[1], 0666, &fd) != 0) {
		fprintf(stderr, "usage: noop SOCKET PROCESSES\n");
		return 2;
	}
	for (uint64_t i = 0; i < processes; i++)
		if (fork() == 0)
			serve(fd);
	puts("ready");
	fflush(stdout);
	while (wait(NULL) > 0)
		;
	return 0;
}
