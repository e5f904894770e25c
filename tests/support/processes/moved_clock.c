/* Library that a test loads into processes (LD_PRELOAD): the time of day is ahead by the seconds in the file $MOVED_CLOCK, which
 * may be changed meanwhile. The time since boot is the machine's. A second word "ntp" in the file has the kernel say that NTP keeps
 * the clock. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static long moved(int *synchronised)
{
    char text[64] = "";
    const char *path = getenv("MOVED_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        ssize_t length = read(file, text, sizeof text - 1);
        text[length > 0 ? length : 0] = 0;
        close(file);
    }
    *synchronised = strstr(text, "ntp") != NULL;
    return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    int synchronised, result = syscall(SYS_clock_gettime, clock, at);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += moved(&synchronised);
    return result;
}

int gettimeofday(struct timeval *at, void *zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

int adjtimex(struct timex *told)
{
    int synchronised;
    (void)told;
    moved(&synchronised);
    return synchronised ? TIME_OK : TIME_ERROR;
}
