/* Shifts clocks of the process that it is preloaded into by the nanoseconds in the file $CLOCK_SHIM, which may
 * change at any time: the wall clock by the first number, the clock that goes on while the machine is suspended
 * by the second one, if there is one. CLOCK_MONOTONIC is left alone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define BILLION 1000000000LL

static volatile long long none[2];
static volatile long long *shift = none;

__attribute__((constructor)) static void find_the_shift(void) {
    const char *path = getenv("CLOCK_SHIM");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *memory = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (memory != MAP_FAILED)
        shift = memory;
}

int clock_gettime(clockid_t clock, struct timespec *moment) {
    int failed = (int)syscall(SYS_clock_gettime, clock, moment);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_BOOTTIME)) {
        long long at = moment->tv_sec * BILLION + moment->tv_nsec + shift[clock == CLOCK_BOOTTIME];
        moment->tv_sec = at / BILLION;
        moment->tv_nsec = at % BILLION;
    }
    return failed;
}

int gettimeofday(struct timeval *moment, void *zone) {
    struct timespec exact;
    int failed = clock_gettime(CLOCK_REALTIME, &exact);
    (void)zone;
    moment->tv_sec = exact.tv_sec;
    moment->tv_usec = exact.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *moment) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (moment)
        *moment = exact.tv_sec;
    return exact.tv_sec;
}
