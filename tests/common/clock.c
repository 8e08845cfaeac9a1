/* Preloaded into a program under test: a wall clock that starts at TEST_CLOCK (seconds since 1970), and a
 * file system that hangs when a file named in TEST_HANG is opened. Where TEST_NO_CLOCK is set there is no clock
 * at all, which the program's runtime answers with a panic. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now) {
  static time_t offset;
  static int known;
  if (getenv("TEST_NO_CLOCK")) {
    errno = EINVAL;
    return -1;
  }
  int failed = (int)syscall(SYS_clock_gettime, id, now);
  if (failed || id != CLOCK_REALTIME) return failed;
  if (!known) {
    const char *start = getenv("TEST_CLOCK");
    offset = start ? atoll(start) - now->tv_sec : 0;
    known = 1;
  }
  now->tv_sec += offset;
  return 0;
}

int open64(const char *path, int flags, ...) {
  const char *hangs = getenv("TEST_HANG");
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  while (hangs && strcmp(path, hangs) == 0) pause();
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
