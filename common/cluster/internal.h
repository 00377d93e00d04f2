/* What the files of this folder share: the process's side (lane 0) and each lane's side. */
#pragma once

#include "common/cluster/cluster.h"
#include "common/cluster/membership.h"
#include "common/cluster/planner.h"
#include "common/cluster/view.h"

enum { LANES_MAX = 256 };

struct planning {
    bool has_lock, asking_lock;
    bool dirty; /* something changed since the last plan */
    struct store_try_plan lock_op;
    struct store_fence_member fence_op;
    struct store_assign assign_op;
    bool fencing, assigning;
    struct list gives;  /* struct give_call.node: requests under way */
    struct arena arena; /* of the plan being carried out */
    struct lane_timer timer;
};

struct cluster {
    struct cluster_config config;
    struct lane *lane;
    struct rpc *rpc;
    struct rpc_lane *rl;
    struct store_lane *sl;
    struct arena arena; /* config strings */
    struct cluster_lane *lanes[LANES_MAX];
    unsigned lanes_ready; /* history lanes that have their writer */
    /* what the database said last */
    struct arena members_arena;
    struct view_member *members;
    size_t member_count;
    struct uuid cluster_id;
    struct uuid owners[SHARD_COUNT];
    int64_t version; /* of owners */
    struct membership membership;
    bool has_beaten;
    bool has_read;     /* owners were read at least once */
    struct view *view; /* as published last */
    /* operations: one of each kind at a time */
    struct store_beat beat;
    struct str beat_roles;
    struct arena beat_arena;
    bool beating, beat_again;
    struct store_read_assignments read;
    bool reading, read_again;
    struct lane_timer beat_timer;
    struct lane_timer look_timer; /* at the end of a silent member's time */
    struct planning planning;
    struct list handovers; /* struct handover.node */
    /* leaving */
    bool draining, left, leaving_row;
    bool stopped; /* lane 0 is closing: operations that still run end without a consequence */
    bool overdue; /* somebody is dead for long and the planner does nothing about it */
    struct instant beat_begun, beat_begun_wall; /* monotonic and wall */
    struct instant clock_stepped;               /* monotonic; {0}: never */
    struct duration clock_offset;               /* of all lanes */
    struct rpc_watch links;
    struct store_leave leave_op;
    struct lane_timer leave_timer;
    struct instant leave_begun, leave_until; /* monotonic */
    void (*left_done)(void *arg);
    void *left_arg;
};

enum handover_part { NOT_IN_HANDOVER, HANDOVER_ASKED, HANDOVER_RELEASED };

/* One request to give shards to another member, from the first flush to the last row. */
struct handover {
    struct list_node node;
    struct cluster *cluster;
    struct rpc_in *in; /* the planner waits; NULL: our own wish, or it has gone */
    struct uuid to;
    size_t count, released;
    uint32_t *shards;
    uint8_t part
            [SHARD_COUNT]; /* enum handover_part: until the end, so that no second request takes a shard twice */
    struct store_assign assign;
    struct store_assign_move *moves;
    struct lane_timer retry;
};

/* FOREIGN -> HELD -> LOSING -> RELEASED -> FOREIGN; from HELD or LOSING straight to FOREIGN: we have
 * been fenced. */
enum shard_hold { SHARD_FOREIGN = 0, SHARD_HELD, SHARD_LOSING, SHARD_RELEASED };

struct cluster_lane {
    struct cluster *cluster;
    struct lane *lane;
    struct rpc_lane *rl;
    struct view *view;   /* NULL before the first */
    struct list watches; /* struct cluster_watch.node */
    bool owns;           /* cluster_own_shards was called */
    struct cluster_shard_owner owner;
    uint8_t hold[SHARD_COUNT]; /* enum shard_hold; only shards of this lane */
    struct instant hinted;     /* monotonic: the last hint that was passed on */
    bool is_ready;             /* lane 0's: it has its writer */
    bool is_closed;            /* messages that still come are dropped */
};

/* cluster.c, on lane 0 */
void cluster_read_now(struct cluster *c);
void cluster_beat_now(struct cluster *c);
void cluster_take_everything(struct cluster *c);
void cluster_publish(struct cluster *c);
void cluster_send_clock(struct cluster *c, struct cluster_lane *cl);
void cluster_tell_changed(struct cluster *c); /* the others: the assignment has changed */
void cluster_stop(struct cluster *c);         /* lane 0 closes */
/* plan.c, on lane 0 */
void planning_start(struct cluster *c);
void planning_stop(struct cluster *c);
void planning_wake(struct cluster *c);
/* handover.c, on lane 0 */
void handover_serve(struct cluster *c);
void handover_begin(
        struct cluster *c, struct rpc_in *in, struct uuid to, const uint32_t *shards, size_t count);
void handover_released(struct cluster *c, const uint32_t *shards, size_t count);
void handover_free_all(struct cluster *c);
/* lane.c, on the lane */
void cluster_lane_take_view(struct cluster_lane *cl, struct view *view);
void cluster_lane_lose(struct cluster_lane *cl, const uint32_t *shards, size_t count);
