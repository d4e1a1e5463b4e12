/* The child of every benchmark: it says when it runs its first instruction, then sleeps.
 *   tick FIFO NAME
 *   tick FIFO NAME flood BYTES CHUNK RATE   at each SIGUSR1 it prints BYTES in numbered lines of 100 bytes, CHUNK
 *                                           of them a write, at most RATE a second (0: as fast as it can), and
 *                                           then says NAME-done
 *   tick FIFO NAME stubborn                 ignores what asks it to end, as does NAME-grandchild, in a session
 *                                           of its own
 * What it says is one line, NAME PID MONOTONIC_NS, in the FIFO.                                                 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE 100

static struct timespec now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t;
}

static void say(const char *fifo, const char *name, const char *what, struct timespec t) {
    char line[256];
    int n = snprintf(line, sizeof line, "%s%s %d %lld\n", name, what, (int)getpid(),
                     (long long)t.tv_sec * 1000000000LL + t.tv_nsec);
    int fd = open(fifo, O_WRONLY);
    if (fd < 0 || write(fd, line, n) != n) _exit(3);
    close(fd);
}

static void print(const char *from, long size) {
    while (size > 0) {
        ssize_t n = write(1, from, size);
        if (n <= 0) _exit(4);
        from += n;
        size -= n;
    }
}

static void pace(struct timespec began, double seconds) {
    struct timespec due = {began.tv_sec + (time_t)seconds,
                           began.tv_nsec + (long)((seconds - (time_t)seconds) * 1e9)};
    if (due.tv_nsec >= 1000000000) due.tv_sec++, due.tv_nsec -= 1000000000;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static void flood(long long bytes, long chunk, double rate) {
    long room = chunk < LINE ? LINE : chunk / LINE * LINE;
    char *lines = malloc(room + 1);
    struct timespec began = now();
    for (long i = 0; i < room; i += LINE) snprintf(lines + i, LINE + 1, "%012d %086d\n", 0, 7);
    for (long long done = 0, number = 0; done < bytes;) {
        long size = 0;
        for (; size < room && done + size < bytes; size += LINE, number++)
            for (long long digits = number, at = size + 11; digits; digits /= 10) lines[at--] = '0' + digits % 10;
        print(lines, size);
        done += size;
        if (rate > 0) pace(began, done / rate);
    }
    free(lines);
}

int main(int argc, char **argv) {
    struct timespec born = now();
    const char *mode = argc > 3 ? argv[3] : "";
    sigset_t begin;
    int number;
    if (argc < 3) return 2;
    if (!strcmp(mode, "stubborn")) {
        signal(SIGTERM, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        if (!fork()) {
            setsid();
            say(argv[1], argv[2], "-grandchild", now());
            for (;;) pause();
        }
    }
    sigemptyset(&begin);
    sigaddset(&begin, SIGUSR1);
    if (!strcmp(mode, "flood")) sigprocmask(SIG_BLOCK, &begin, NULL);
    say(argv[1], argv[2], "", born);
    while (!strcmp(mode, "flood") && argc > 6 && !sigwait(&begin, &number)) {
        flood(atoll(argv[4]), atol(argv[5]), atof(argv[6]));
        say(argv[1], argv[2], "-done", now());
    }
    for (;;) pause();
}
