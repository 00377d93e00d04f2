/* Server reflection, v1 and v1alpha: what services there are, and the files that declare them, for tools like
 * grpcurl. One per lane. */
#pragma once

#include "frontend/grpc/grpc.h"

struct reflection;

/* descriptors: an encoded google.protobuf.FileDescriptorSet, borrowed for ever; empty: files are NOT_FOUND. */
struct reflection *reflection_new(struct grpc_server *server, struct str descriptors);
void reflection_free(struct reflection *reflection);
