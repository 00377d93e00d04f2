/* One connection from the inside: shared by pg_conn.c (its life) and pg_pipe.c (its requests). */
#pragma once

#include "common/store/pg.h"

/* Lives until libuv has let go of it, maybe longer than the connection: pg_conn.c. */
struct pg_poll;

struct pg_conn {
    struct pg_store *store;
    struct lane *lane;
    enum pg_role role;
    enum { PG_STATE_AWAY, PG_STATE_CONNECTING, PG_STATE_PREPARING, PG_STATE_READY } state;
    PGconn *pg;
    struct pg_poll *poll;
    struct list waiting, sent;
    size_t waiting_count, sent_count;
    unsigned attempts; /* failed ones in a row */
    bool away;
    uint64_t session;
    struct instant since; /* of the state, monotonic */
    struct lane_timer retry, tick;
    struct lane_task pump;
    bool pumping, closing;
    struct pg_request prepare;
};

extern const struct pg_statement_row {
    const char *name, *text;
    enum pg_role role;
} pg_statements[PG_STATEMENT_COUNT];

/* pg_conn.c */
void pg_conn_connect(struct pg_conn *conn);
void pg_conn_lost(struct pg_conn *conn, const char *why); /* ends what was sent with PG_LOST */
void pg_conn_flush(struct pg_conn *conn);

/* pg_pipe.c */
void pg_request_end(struct pg_request *request, enum pg_outcome outcome);
bool pg_request_send(struct pg_conn *conn, struct pg_request *request);
void pg_pipe_read(struct pg_conn *conn);
void pg_pipe_pump(struct pg_conn *conn);  /* sends what waits, if connected */
void pg_pipe_watch(struct pg_conn *conn); /* deadlines, while there is anything to wait for */
