/* The parts of the scenario runner. The language is described in tests/history/README.md. */
#pragma once

#include "tests/history/harness.h"

struct saved_token {
    struct str name;
    struct workflow_task_token token;
};

struct saved_activity {
    struct str name; /* activity id, or as given with save= */
    struct activity_ref ref;
};

struct scenario {
    struct harness h;
    struct engine_limits limits;
    VEC(struct saved_token) tokens; /* the newest last */
    VEC(struct saved_activity) activities;
    struct str event_names; /* unused words are errors: named here for the message */
    const char *problem;
    struct str zone; /* of the run's schedule */
    struct search_attributes registered;
};

/* One input line, split into words: "1s claim-task poll=p1" */
struct words {
    struct str word[64];
    bool used[64];
    size_t count;
};

bool scenario_run_line(struct scenario *s, struct str line, struct buf *out);
bool scenario_event(struct scenario *s, struct words *w, struct str rest, struct event *ev);
/* The ids of the new run. */
void scenario_reset(struct words *w, struct event *ev);
bool scenario_commands(
        struct scenario *s, struct str text, struct event_workflow_task_completed *c);
void scenario_print(struct scenario *s, enum err err, const struct fail *f,
        const struct effects *fx, struct buf *out);
/* Memo and search attributes as they are now. */
void scenario_print_properties(const struct workflow *wf, struct buf *out);
/* The message ResetPoints, a line each. */
void scenario_print_reset_points(struct str points, struct buf *out);
void scenario_print_time(struct buf *out, struct instant t);

/* A Request to update, and an Outcome with that field. */
struct str scenario_update(struct arena *arena, struct str update_id);
struct str scenario_outcome(struct arena *arena, uint32_t field, struct str message);

struct words words_split(struct str line);
/* The value of key=value; empty when it is not there. */
struct str words_get(struct words *w, const char *key);
bool words_has(struct words *w, const char *flag);
/* The next plain word that is not used yet. */
struct str words_next(struct words *w);
struct duration words_duration(struct words *w, const char *key);
bool duration_parse(struct str text, struct duration *ret);
int64_t words_number(struct words *w, const char *key, int64_t otherwise);
struct str payloads_of(struct arena *arena, struct str text);
/* Memo or SearchAttributes: "k/v,k2/v2", a name without a value: null; one word alone has the name "it". */
struct str properties_of(struct arena *arena, struct str text);
/* The same as search attributes: JSON values, once names are registered. */
struct str attributes_of(struct scenario *s, struct str text);
/* A cron schedule: blanks are written as ~. */
struct str schedule_of(struct arena *arena, struct str text);
/* The TZif bytes of the zone that it names. */
struct str zone_of_schedule(struct scenario *s, struct str schedule);
/* n callbacks to a URL. */
const struct str *callbacks_of(struct arena *arena, int64_t n);
/* As many letters as key=N says; empty when it is not there. */
struct str words_large(struct arena *arena, struct words *w, const char *key);
struct str failure_of_text(struct arena *arena, struct words *w, struct str message);
struct retry_policy words_retry(struct scenario *s, struct words *w);
/* priority=LEVEL/KEY/WEIGHT as the message; what is left out, or 0, is not in it. */
struct str words_priority(struct scenario *s, struct words *w);

extern const struct instant scenario_epoch;
