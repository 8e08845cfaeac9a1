/* Preloaded into a program under test: a resolver that never answers. */
#include <netdb.h>
#include <unistd.h>

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  (void)host, (void)service, (void)hints, (void)found;
  for (;;) pause();
}
