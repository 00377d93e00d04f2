/* The clients of the simulated workflows. */
#pragma once

#include "tests/sim/ledger.h"
#include "tests/sim/sim_grpc.h"

void clients_start(void);
bool clients_are_done(void);

/* ---- for client*.c ---- */

struct client {
    struct script *script;
    struct api_call call;
    struct sim_event timer;
    struct arena arena;
    bool retry_signal;           /* the last one's outcome is unknown */
    bool retry_reset;            /* likewise */
    unsigned acknowledged;       /* signals, when the query was asked */
    bool terminated, deleted;    /* the describe was asked after that was acknowledged */
    struct known_update *update; /* asked for, and not answered to the end */
    struct asked_reset *reset;
};

/* The next deed comes after so long. */
void client_again(struct client *c, int64_t min_ms, int64_t max_ms);
bool client_is_retryable(enum err err);
void client_call(struct client *c, const char *method, const ProtobufCMessage *m,
        void (*done)(struct api_call *, enum err, struct str, const char *));
Api__WorkflowExecution *client_execution(struct client *c);
/* client.c */
Api__StartWorkflowExecutionRequest *client_start_request(struct client *c);
/* What every answer to a start means, alone or with something else; false: it is to be sent again. */
bool client_started(struct client *c, enum err err, struct str run_id, const char *text);

/* client_deeds.c: updates, resets, deletion. */
void client_start_with_update(struct client *c);
void client_update(struct client *c); /* a new one, or the one under way goes on */
void client_reset(struct client *c);
void client_delete(struct client *c);
