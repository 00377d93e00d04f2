/* What this server tells clients that it supports. A flag is claimed only when the behaviour behind
 * it is there: SDKs change what they send, and what they retry, by these. */
#pragma once

#include "common/base/arena.h"
#include "proto/namespace.pb-c.h"
#include "proto/system.pb-c.h"

/* The API level that clients compare against, a semantic version: the web UI and SDKs gate features
 * by it. Not our own version. */
#define API_SERVER_VERSION "1.32.0"

Api__GetSystemInfoResponse *api_system_info(struct arena *arena);

/* For DescribeNamespace: capabilities and enforced limits of any namespace (bytes; 0: not told). */
void api_namespace_features(struct arena *arena, Api__NamespaceInfo *info, int64_t blob_size_max,
        int64_t memo_size_max);
