/* A lock-free stack that the reader takes as a whole and reverses: posters only ever push, so there
 * is no ABA problem and no memory to reclaim. */
#include "common/io/mailbox.h"

void mailbox_push(struct mailbox *mailbox, struct lane_task *task)
{
    struct lane_task *head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    do {
        task->next = head;
    } while (!atomic_compare_exchange_weak_explicit(
            &mailbox->head, &head, task, memory_order_seq_cst, memory_order_relaxed));
}

struct lane_task *mailbox_take_all(struct mailbox *mailbox)
{
    struct lane_task *newest = atomic_exchange_explicit(&mailbox->head, NULL, memory_order_seq_cst);
    struct lane_task *oldest = NULL;
    while (newest) {
        struct lane_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

bool mailbox_is_empty(struct mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->head, memory_order_seq_cst) == NULL;
}
