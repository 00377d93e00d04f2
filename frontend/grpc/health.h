/* The standard service grpc.health.v1.Health: Check and Watch, for the names given and "" (the server as a
 * whole). One per lane. */
#pragma once

#include "frontend/grpc/grpc.h"

struct health;

/* Registers the service; starts as not serving. Names are borrowed for ever. */
struct health *health_new(struct grpc_server *server, const struct str *names, size_t count);
/* After the server's calls are gone. */
void health_free(struct health *health);
/* Tells the watchers. */
void health_set_serving(struct health *health, bool is_serving);
