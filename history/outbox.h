/* Messages to other runs: delivered at least once, in order per (source, target), until the target has answered. The
 * record of a message is in the source's log, so it survives anything; the receiver knows request ids it has seen. */
#pragma once

#include "common/io/lane.h"
#include "common/rpc/messages.h"
#include "history/engine/engine.h"
#include "history/pool.h"

struct history;
struct execution;
struct call;

struct outbox {
    struct history *history;
    struct pool pool;
    size_t calls; /* in flight */
};

void outbox_init(struct outbox *outbox, struct history *h);
/* A message of a committed step; one that is known is ignored. */
void outbox_add(struct outbox *outbox, struct execution *ex, const struct outbox_message *message);
/* All messages of a run that leaves memory; they are found again when it is loaded. */
void outbox_forget(struct outbox *outbox, struct execution *ex);
