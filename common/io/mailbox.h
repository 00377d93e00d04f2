/* The only way into another lane: many posters, one reader. Order per poster is kept. */
#pragma once

#include <stdatomic.h>

#include "common/io/lane.h"

struct mailbox {
    _Atomic(struct lane_task *) head; /* newest first */
};

/* Any thread. */
void mailbox_push(struct mailbox *mailbox, struct lane_task *task);
/* The reader: everything posted so far, oldest first, linked by next; NULL when empty. */
struct lane_task *mailbox_take_all(struct mailbox *mailbox);
bool mailbox_is_empty(struct mailbox *mailbox);
