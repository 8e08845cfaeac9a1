/* Preloaded into a program under test: kill -9 just before the TEST_KILL_AT-th call that changes a file or says
 * something to another program, counted from 1. Where there are fewer the program ends as usual. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static void step(void) {
  static long left;
  static int known;
  if (!known) {
    const char *at = getenv("TEST_KILL_AT");
    left = at ? atol(at) : 0;
    known = 1;
  }
  if (left && !--left) kill(getpid(), SIGKILL);
}

#define BEFORE(type, name, parameters, arguments) \
  type name parameters { \
    static type (*next) parameters; \
    if (!next) next = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
    step(); \
    return next arguments; \
  }

BEFORE(ssize_t, write, (int fd, const void *from, size_t length), (fd, from, length))
BEFORE(ssize_t, pwrite64, (int fd, const void *from, size_t length, off64_t at), (fd, from, length, at))
BEFORE(ssize_t, writev, (int fd, const struct iovec *from, int count), (fd, from, count))
BEFORE(ssize_t, send, (int fd, const void *from, size_t length, int flags), (fd, from, length, flags))
BEFORE(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
BEFORE(ssize_t, recv, (int fd, void *into, size_t length, int flags), (fd, into, length, flags))
BEFORE(int, connect, (int fd, const struct sockaddr *to, socklen_t length), (fd, to, length))
BEFORE(int, fsync, (int fd), (fd))
BEFORE(int, fdatasync, (int fd), (fd))
BEFORE(int, ftruncate64, (int fd, off64_t length), (fd, length))
BEFORE(int, rename, (const char *from, const char *to), (from, to))
BEFORE(int, link, (const char *from, const char *to), (from, to))
BEFORE(int, unlink, (const char *path), (path))
