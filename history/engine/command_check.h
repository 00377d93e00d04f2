/* Shared by the files that check commands; for nobody else. */
#pragma once

#include "history/engine/retry.h"
#include "history/engine/step.h"

/* What the commands checked so far will have changed. */
struct overlay {
    struct map timers, activities; /* id -> struct change */
    struct map canceled;           /* scheduled event id -> struct change */
    struct map children;           /* workflow id -> struct change: asked for by this completion */
    VEC(struct scheduled {
        int64_t event_id;
        struct str activity_id;
    })
    scheduled;
    int64_t next_event_id;
    struct update_check *updates;
    size_t activities_pending, signals_pending, cancels_pending, children_pending;
    bool has_counted_outbox; /* signals_pending and cancels_pending say what is under way */
    struct str memo, search_attributes; /* after the upserts so far; no pointer: none yet */
    size_t unbuffered; /* buffered firings of timers that a command has cancelled */
};

struct change {
    struct map_node node;
    bool is_present;
};

struct check {
    struct step *st;
    struct overlay over;
    struct command_refusal *refusal;
};

/* Both say no: the text is printed into the request's arena. With refuse_size the run ends. */
#define command_refuse(c, cause, ...) \
    command_refuse_text((c), (cause), str_printf((c)->st->fx->arena, __VA_ARGS__))
bool command_refuse_text(struct check *c, enum workflow_task_failed_cause cause, struct str text);
bool command_refuse_size(struct check *c, enum workflow_task_failed_cause cause, const char *text);
/* "the number of ..., has reached the per-workflow limit of ..." */
bool command_refuse_count(struct check *c, enum workflow_task_failed_cause cause, const char *what,
        size_t pending, size_t limit);
void overlay_set(struct check *c, struct map *map, struct str key, bool is_present);
/* -1: the overlay says nothing. */
int overlay_get(const struct map *map, struct str key);
bool command_is_too_large(const struct check *c, struct str payload);
/* What is wrong with a task queue that workflow code has named; NULL: nothing. Empty is fine: the run's own. */
const char *command_queue_problem(const struct check *c, struct str queue);

/* --- command_check_pending.c: commands that leave something pending in the run ------------------------ */
bool check_schedule_activity(struct check *c, const struct command *cmd);
bool check_cancel_activity(struct check *c, const struct command *cmd);
bool check_start_timer(struct check *c, const struct command *cmd);
bool check_cancel_timer(struct check *c, const struct command *cmd);
bool check_external(struct check *c, const struct command *cmd);
