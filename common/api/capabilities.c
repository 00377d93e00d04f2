/* The first set of claims. Left out until they work: schedules, nexus, server-scaled deployments; and of a namespace:
 * heartbeats of workers, the pause family. */
#include "common/api/capabilities.h"

#include "common/api/codec.h"

Api__GetSystemInfoResponse *api_system_info(struct arena *arena)
{
    Api__GetSystemInfoResponse__Capabilities *capabilities =
            api_new(arena, &api__get_system_info_response__capabilities__descriptor);
    capabilities->signal_and_query_header = true;
    capabilities->internal_error_differentiation = true;
    capabilities->activity_failure_include_heartbeat = true;
    capabilities->encoded_failure_attributes = true;
    capabilities->build_id_based_versioning = true;
    capabilities->upsert_memo = true;
    capabilities->eager_workflow_start = true;
    capabilities->sdk_metadata = true;
    capabilities->count_group_by_execution_status = true;
    Api__GetSystemInfoResponse *info = api_new(arena, &api__get_system_info_response__descriptor);
    info->server_version = API_SERVER_VERSION;
    info->capabilities = capabilities;
    return info;
}

void api_namespace_features(
        struct arena *arena, Api__NamespaceInfo *info, int64_t blob_size_max, int64_t memo_size_max)
{
    info->capabilities = api_new(arena, &api__namespace_info__capabilities__descriptor);
    info->capabilities->eager_workflow_start = true;
    info->capabilities->reported_problems_search_attribute = true;
    info->capabilities->sync_update = true;
    info->capabilities->async_update = true;
    info->capabilities->poller_autoscaling =
            true; /* polls are answered with advice about their number */
    info->capabilities->worker_poll_complete_on_shutdown =
            true; /* workers wait for it: matching keeps the promise */
    info->limits = api_new(arena, &api__namespace_info__limits__descriptor);
    info->limits->blob_size_limit_error = blob_size_max;
    info->limits->memo_size_limit_error = memo_size_max;
}
