/* Runs two commands in turn, so that both meet the same machine:
 *   paired ROUNDS COMMAND [ARG...] -- COMMAND [ARG...]
 * Prints the median wall time of each in microseconds, the median of their ratios (second to first) round
 * by round, and the greatest resident set of each in KiB. Their output is thrown away. Small on purpose:
 * a child's resident set counts from that of its parent. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double run(char **command, long *resident) {
  struct timespec start, end;
  struct rusage usage;
  int status;
  clock_gettime(CLOCK_MONOTONIC, &start);
  pid_t child = vfork();
  if (child == 0) {
    execvp(command[0], command);
    _exit(127);
  }
  wait4(child, &status, 0, &usage);
  clock_gettime(CLOCK_MONOTONIC, &end);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "%s ended with %d\n", command[0], status);
    exit(1);
  }
  if (usage.ru_maxrss > *resident) *resident = usage.ru_maxrss;
  return (end.tv_sec - start.tv_sec) * 1e6 + (end.tv_nsec - start.tv_nsec) / 1e3;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  int rounds = argc > 2 ? atoi(argv[1]) : 0, split = 2;
  while (split < argc && strcmp(argv[split], "--") != 0) split++;
  if (rounds < 1 || split + 1 >= argc) return 2;
  char **first = argv + 2, **second = argv + split + 1;
  argv[split] = NULL;
  double *a = calloc(rounds, sizeof *a), *b = calloc(rounds, sizeof *b), *ratio = calloc(rounds, sizeof *ratio);
  long resident[2] = {0, 0};
  FILE *report = fdopen(dup(1), "w");
  dup2(open("/dev/null", O_WRONLY), 1);
  run(first, resident);
  run(second, resident + 1);
  for (int n = 0; n < rounds; n++) {
    /* Whoever comes second meets warmer caches: they take turns at that, too. */
    if (n % 2) a[n] = run(first, resident);
    b[n] = run(second, resident + 1);
    if (n % 2 == 0) a[n] = run(first, resident);
    ratio[n] = b[n] / a[n];
  }
  qsort(a, rounds, sizeof *a, ascending);
  qsort(b, rounds, sizeof *b, ascending);
  qsort(ratio, rounds, sizeof *ratio, ascending);
  fprintf(report, "%.0f %.0f %.2f %ld %ld\n", a[rounds / 2], b[rounds / 2], ratio[rounds / 2], resident[0], resident[1]);
  return fclose(report);
}
