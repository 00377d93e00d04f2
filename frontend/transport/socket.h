/* Listening sockets. */
#pragma once

#include "common/base/err.h"

enum { LISTEN_SOCKETS_MAX = 2 };

/* Opens what listens for `host`: an IPv4 or IPv6 address (brackets allowed), "localhost", or "" for all IPv4
 * addresses. 127.0.0.1 and localhost get ::1 as well where the machine has it, because clients resolve
 * "localhost" to either. Each lane opens its own sockets on the same port (SO_REUSEPORT); the kernel spreads
 * connections over them.
 *
 * *port: 0 picks a free one; receives the real one. is_first: this is the first lane of the process, so the
 * port must be nobody else's: SO_REUSEPORT alone would share it silently with another server of the same
 * user. Returns the sockets in fds; the caller closes them. */
enum err listen_sockets_open(struct str host, bool is_first, int backlog, uint16_t *port,
        int fds[LISTEN_SOCKETS_MAX], unsigned *count, struct fail *f) MUST_USE;
