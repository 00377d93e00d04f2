/* The ports of a lane: the public gRPC API, the one for browsers, the one for operators. */
#pragma once

#include "common/base/err.h"

struct process_lane;

/* Opens those that the settings name, and the lane's gRPC server for them. */
enum err ports_open(struct process_lane *pl, struct fail *f) MUST_USE;
/* Clients go elsewhere, open calls finish; done(pl) when every connection is closed. */
void ports_drain(struct process_lane *pl, void (*done)(void *pl));
/* When the lane's thread has ended. */
void ports_free(struct process_lane *pl);
