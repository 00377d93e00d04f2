/* The part of the engine's contract that is about updates: what comes in, what must be told. See engine.h. */
#pragma once

#include "common/base/arena.h"
#include "common/base/err.h"

struct workflow;

/* Somebody wants the workflow to be updated: it waits in memory until a worker has accepted it. */
struct event_update {
    struct str update_id;
    struct str request; /* message Request, goes to the worker as it is */
};

/* What a worker says of an update, beside its commands. A command names it, or it comes after them all. */
enum update_message_kind {
    UPDATE_MESSAGE_UNKNOWN, /* not a message about updates */
    UPDATE_MESSAGE_MALFORMED,
    UPDATE_MESSAGE_ACCEPTANCE,
    UPDATE_MESSAGE_REJECTION,
    UPDATE_MESSAGE_RESPONSE,
};

struct update_message {
    enum update_message_kind kind;
    struct str id, update_id; /* of the message; its protocol instance */
    size_t size;              /* bytes of its body */
    struct str type;          /* of its body, for texts */
    /* acceptance, rejection: the request that it answers, and its message */
    struct str request_message_id;
    int64_t sequencing_event_id;
    struct str request; /* message Request; empty: not given */
    struct str failure; /* rejection: message Failure */
    /* response: messages Meta and Outcome */
    struct str meta, meta_update_id, outcome;
    bool has_outcome;
};

/* How far an update has come. Numbers of temporal.api.enums.v1.UpdateWorkflowExecutionLifecycleStage. */
enum update_stage { UPDATE_UNKNOWN, UPDATE_ADMITTED, UPDATE_ACCEPTED, UPDATE_COMPLETED };

struct update_status {
    enum update_stage stage;
    int64_t completed_event_id; /* the event with the outcome; 0 though completed: the run has closed, the
                                   outcome is that of update_closed_outcome */
};

/* An update on its way to a worker. */
struct update_request {
    struct str update_id, request;
};

/* What those who wait for an update must hear. */
enum update_news_kind {
    UPDATE_NEWS_ACCEPTED,
    UPDATE_NEWS_COMPLETED,   /* with an outcome; rejections, too */
    UPDATE_NEWS_CLOSED,      /* the run closed before it was accepted */
    UPDATE_NEWS_CONTINUED,   /* ... and another run follows */
    UPDATE_NEWS_TASK_FAILED, /* a worker had it when the server refused its completion */
};

struct update_news {
    struct str update_id;
    enum update_news_kind kind;
    struct str outcome; /* message Outcome */
};

struct update_status workflow_update_status(const struct workflow *wf, struct str update_id);
/* The outcome of an accepted update whose run has closed: a message Outcome. */
struct str update_closed_outcome(struct arena *arena);
/* The error that a news without outcome means. */
enum err update_news_fail(enum update_news_kind kind, struct fail *f);
