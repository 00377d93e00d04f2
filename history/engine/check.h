/* Inside of the check of a completion's commands: what the checks of all kinds share. */
#pragma once

#include "history/engine/step.h"

/* What the commands checked so far will have changed. */
struct overlay {
    struct map timers, activities; /* id -> struct change */
    struct map canceled;           /* scheduled event id -> struct change */
    struct map children;           /* workflow id -> struct change: asked for by this completion */
    VEC(struct scheduled {
        int64_t event_id;
        struct str activity_id;
        bool is_eager;
    })
    scheduled;
    int64_t next_event_id;
    struct str memo, search_attributes; /* after the upserts so far; no pointer: none yet */
    size_t activities_pending, signals_pending, cancels_pending, children_pending;
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

/* Both give false: "return check_refuse(...)". The second one ends the run. */
bool check_refuse(struct check *c, enum workflow_task_failed_cause cause, const char *text);
bool check_refuse_size(struct check *c, enum workflow_task_failed_cause cause, const char *text);
void check_set(struct check *c, struct map *map, struct str key, bool is_present);
/* -1: the overlay says nothing. */
int check_get(const struct map *map, struct str key);
bool check_is_too_large(const struct check *c, struct str payload);

/* command_check_others.c */
bool check_external(struct check *c, const struct command *cmd);
bool check_child(struct check *c, const struct command *cmd);
