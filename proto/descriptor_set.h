/* The view described to the outside: an encoded google.protobuf.FileDescriptorSet with every file
 * of this folder and its imports, for gRPC reflection. Static, never freed. */
#pragma once

#include "common/base/str.h"

struct str proto_descriptor_set(void);
