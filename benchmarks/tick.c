/* The child of every benchmark: it says when it runs its first instruction, then sleeps.
 *   tick FIFO NAME
 * It writes one line, NAME PID MONOTONIC_NS, to the FIFO.                             */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if (argc < 3) return 2;
    char line[256];
    int n = snprintf(line, sizeof line, "%s %d %lld\n", argv[2], (int)getpid(),
                     (long long)t.tv_sec * 1000000000LL + t.tv_nsec);
    int fd = open(argv[1], O_WRONLY);
    if (fd < 0 || write(fd, line, n) != n) return 3;
    close(fd);
    for (;;) pause();
}
