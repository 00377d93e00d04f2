/* A TCP relay in front of the database that cuts connections where a test wants. */
#pragma once

#include <stddef.h>

int proxy_start(int to_port); /* the port it listens on, on loopback */
/* Forwards this many more bytes towards the server, then cuts that connection. */
void proxy_cut_request(size_t bytes);
/* Cuts when the server answers; the answer is thrown away. */
void proxy_cut_reply(void);
/* The next connection on which so many bytes are sent falls silent behind them, as if its machine had vanished. */
void proxy_stall_request(size_t bytes);
/* How many connections were cut by the two above. */
int proxy_cuts(void);
