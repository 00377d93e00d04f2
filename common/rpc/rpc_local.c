/* The link from this process to itself: a frame becomes a message with its own copy of the bytes,
 * which goes through the mailbox of the lane that serves it, or is deferred when that is the
 * sender's own. So a caller sees the same order of things as over a socket: never an answer inside
 * of the call. It never dies. */
#include <stdlib.h>

#include "common/rpc/link.h"

struct message {
    struct lane_task task;
    struct rpc_link *link;
    struct rpc_lane *lane;
    struct rpc_frame frame;
    char bytes[];
};

static void run_message(struct lane_task *task)
{
    struct message *m = container_of(task, struct message, task);
    rpc_lane_take(m->lane, m->link, &m->frame);
    free(m);
}

static struct str copy(char **to, struct str s)
{
    struct str copied = { *to, s.len };
    if (s.len) {
        memcpy(*to, s.ptr, s.len);
    }
    *to += s.len;
    return copied;
}

static struct message *message_new(struct rpc_link *link, const struct rpc_frame *f)
{
    size_t n = f->body.len + f->text.len + f->detail_type.len + f->detail.len;
    struct message *m = malloc(sizeof(*m) + n);
    check(m);
    *m = (struct message){ 0 };
    char *to = m->bytes;
    m->task.run = run_message;
    m->link = link;
    m->frame = *f;
    m->frame.body = copy(&to, f->body);
    m->frame.text = copy(&to, f->text);
    m->frame.detail_type = copy(&to, f->detail_type);
    m->frame.detail = copy(&to, f->detail);
    return m;
}

static enum rpc_send local_send(
        struct rpc_link *link, struct rpc_lane *rl, const struct rpc_frame *frame, uint64_t *at)
{
    struct rpc_frame refusal;
    struct rpc_lane *to = rpc_frame_lane(link->rpc, frame);
    if (!to) {
        if (frame->type != RPC_FRAME_REQUEST) {
            return RPC_SEND_OK;
        }
        refusal = rpc_frame_unserved(frame);
        frame = &refusal;
        to = rl;
    }
    struct message *m = message_new(link, frame);
    m->lane = to;
    if (to == rl) {
        lane_defer(rl->lane, &m->task);
    } else {
        lane_post(to->lane, &m->task);
    }
    *at = 0;
    return RPC_SEND_OK;
}

static void local_free(struct rpc_link *link)
{
    free(link);
}

static const struct rpc_link_ops local_ops = { .send = local_send, .free = local_free };

struct rpc_link *rpc_local_link_new(struct rpc *rpc)
{
    struct rpc_link *link = calloc(1, sizeof(*link));
    check(link);
    rpc_link_init(link, rpc, &local_ops);
    link->remote = rpc->config.member_id;
    return link;
}
