/* Task tokens and page tokens: opaque to clients, readable by every process, so that a frontend can route a call by its
 * token alone. Protobuf wire form with field numbers of our own; unknown fields are skipped, so that a newer release may
 * add some.
 *
 * A workflow task's token says enough to rebuild its started event after a crash. */
#pragma once

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/time.h"
#include "common/model/ids.h"

enum api_token_kind {
    API_TOKEN_WORKFLOW_TASK = 1,
    API_TOKEN_ACTIVITY = 2,
    API_TOKEN_HISTORY_PAGE = 3,
    API_TOKEN_QUERY = 4,
};

struct api_token {
    enum api_token_kind kind;
    struct uuid namespace_id, run_id;
    struct str workflow_id;
    run_key key;
    /* tasks */
    int64_t scheduled_event_id;
    int64_t started_event_id;
    int32_t attempt;
    int32_t stamp;
    struct instant scheduled_time, started_time;
    struct str identity, request_id; /* of the start */
    struct str activity_id;
    int64_t history_size;
    bool suggest_continue_as_new;
    int32_t suggest_reasons;
    struct str worker_version; /* message */
    /* pages of a history: the next one begins at event next_event_id and the whole ends before end_event_id */
    int64_t next_event_id, end_event_id;
    bool is_waiting; /* a long poll goes on with it */
    bool is_reverse;
    bool close_only; /* only the last event of the closed run is wanted */
    struct str
            suffix; /* events that follow the last page and are not stored: what the worker was promised */
};

/* The bytes; in the arena. */
struct str api_token_encode(struct arena *arena, const struct api_token *token);
/* ERR_INVALID_ARGUMENT when they are not a token. Strings are borrowed from bytes; arena may be NULL. */
enum err api_token_decode(
        struct str bytes, struct arena *arena, struct api_token *ret, struct fail *f) MUST_USE;
