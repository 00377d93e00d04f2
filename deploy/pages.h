/* What operators see over plain HTTP: /metrics (on their own port only), /healthz (every lane of the process turns),
 * /readyz (it serves, and is not on its way out). */
#pragma once

#include "frontend/grpc/grpc.h"

/* The gRPC server's http handler; ctx is the struct process_lane. */
void pages_answer(void *ctx, struct grpc_call *call);
