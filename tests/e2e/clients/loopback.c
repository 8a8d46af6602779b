/* Lets libnice reach 127.0.0.1: it binds its sockets to an interface with IP_UNICAST_IF, and no
 * interface but lo leads there. Loaded with LD_PRELOAD into GStreamer in tests, never elsewhere. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>

#ifndef IP_UNICAST_IF
#define IP_UNICAST_IF 50
#endif
int setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
  static int (*real)(int, int, int, const void *, socklen_t);
  if (!real) real = dlsym(RTLD_NEXT, "setsockopt");
  if (level == IPPROTO_IP && name == IP_UNICAST_IF) return 0;
  return real(fd, level, name, value, len);
}
