/* Preloaded into a program under test: the disk is full for every file whose path begins with TEST_FULL. What has
 * room on the disk already can be written anew; nothing grows beyond that. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int is_full(int fd, off64_t end) {
  char link[64], path[4096];
  struct stat seen;
  const char *folder = getenv("TEST_FULL");
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (!folder || length < 0 || strncmp(path, folder, strlen(folder)) || fstat(fd, &seen)) return 0;
  if (!S_ISREG(seen.st_mode)) return 0;
  return end > (off64_t)seen.st_blocks * 512;
}

ssize_t write(int fd, const void *from, size_t length) {
  static ssize_t (*next)(int, const void *, size_t);
  if (!next) next = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
  off64_t at = lseek64(fd, 0, SEEK_CUR);
  if (at >= 0 && is_full(fd, at + (off64_t)length)) return errno = ENOSPC, -1;
  return next(fd, from, length);
}

ssize_t pwrite64(int fd, const void *from, size_t length, off64_t at) {
  static ssize_t (*next)(int, const void *, size_t, off64_t);
  if (!next) next = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  if (is_full(fd, at + (off64_t)length)) return errno = ENOSPC, -1;
  return next(fd, from, length, at);
}
