/* Between channel.c (calls) and conn.c (sockets and HTTP/2). */
#pragma once

#include "cli/client/channel.h"

/* In conn.c. */
void conns_init(struct channel *channel);
void conns_flush(void *channel);
void conns_close(struct channel *channel);
/* False when no connection is open. */
bool conn_send(struct channel *channel, struct call *call);
/* The attempt is given up; its stream is reset and the call is in no list any more. */
void conn_abandon(struct call *call);

/* In channel.c, called by conn.c: the attempt is over, with this status. */
void call_over(struct call *call, int status, const char *why);
/* HTTP/2 says that the server has done nothing with it: sent again, as all gRPC clients do. */
void call_untouched(struct call *call);
/* A connection has opened; or could not be made, and no call shall wait for it. */
void channel_dispatch(struct channel *channel);
void channel_refuse(struct channel *channel, const char *why);
