/* The textual parts of gRPC: header values, paths, status. Pure. */
#pragma once

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/time.h"

/* "application/grpc", alone or followed by '+' or ';'. */
bool grpc_content_type_ok(struct str value);
/* Up to 8 digits and a unit: "30S", "699m", "30000000u". */
bool grpc_timeout_parse(struct str value, struct duration *ret);
/* "/package.Service/Method". */
bool grpc_path_split(struct str path, struct str *service, struct str *method);
/* Is `coding` in the list of grpc-accept-encoding? */
bool grpc_accepts(struct str list, struct str coding);

/* The value of grpc-message: all but printable ASCII, and '%', become %XX. */
struct str grpc_percent_encode(struct arena *arena, struct str text);
/* google.rpc.Status with the fail's detail as its one Any; empty when the fail has no detail. */
struct str grpc_status_details(struct arena *arena, const struct fail *f);
