/* Which ports a lane listens on, and with what behind them. One gRPC server serves them all; what a port is for travels
 * with each connection. Relies on settings.c for addresses; leaves pages to pages.c. */
#include "deploy/ports.h"

#include "deploy/pages.h"
#include "deploy/process_lane.h"

enum { OPERATORS_MAX = 100 }; /* connections of probes and scrapers, per lane */

static struct transport_config transport_config_of(struct process_lane *pl, enum h2_port port)
{
    const struct process *p = pl->process;
    unsigned clients_max = (unsigned)(p->config->frontend_connections_max / p->lane_count + 1);
    bool is_operator = port == H2_PORT_OPERATOR;
    return (struct transport_config){
        .app = grpc_app(),
        .app_ctx = pl->grpc,
        .port = port,
        .h2.allows_http1 = port != H2_PORT_GRPC,
        .tls = is_operator ? NULL : p->tls,
        .connections_max = is_operator ? OPERATORS_MAX : clients_max,
    };
}

static bool is_any_open(const struct process *p)
{
    for (size_t i = 0; i < ARRAY_LEN(p->ports); i++) {
        if (p->ports[i].is_open) {
            return true;
        }
    }
    return false;
}

enum err ports_open(struct process_lane *pl, struct fail *f)
{
    struct process *p = pl->process;
    const struct config *c = p->config;
    const struct grpc_config grpc = {
        .message_max = (uint32_t)c->frontend_message_max,
        .gzip_min = 16384,
        .web_origins = c->http_origins,
        .http = pages_answer,
        .http_ctx = pl,
    };
    if (!is_any_open(p)) {
        return ERR_NONE;
    }
    pl->grpc = grpc_server_new(pl->lane, &grpc);
    for (size_t i = 0; i < ARRAY_LEN(p->ports); i++) {
        struct process_port *port = &p->ports[i];
        if (!port->is_open) {
            continue;
        }
        const struct transport_config transport = transport_config_of(pl, (enum h2_port)i);
        pl->transports[i] = transport_new(pl->lane, &transport);
        if (transport_listen(pl->transports[i], port->host, pl->index == 0, &port->number, f)) {
            return f->err;
        }
    }
    return ERR_NONE;
}

static void on_drained(void *arg)
{
    struct process_lane *pl = arg;
    if (--pl->draining == 0) {
        pl->drained(pl);
    }
}

void ports_drain(struct process_lane *pl, void (*done)(void *pl))
{
    pl->drained = done;
    pl->draining = 1;
    for (size_t i = 0; i < ARRAY_LEN(pl->transports); i++) {
        if (pl->transports[i]) {
            pl->draining++;
            transport_drain(pl->transports[i], pl->process->config->frontend_drain, on_drained, pl);
        }
    }
    on_drained(pl);
}

void ports_free(struct process_lane *pl)
{
    for (size_t i = 0; i < ARRAY_LEN(pl->transports); i++) {
        transport_free(pl->transports[i]);
    }
}
