/* What the service says of itself: versions, capabilities, the cluster. */
#include "common/api/capabilities.h"
#include "common/api/view.h"
#include "frontend/api.h"

void frontend_get_system_info(struct request *rq)
{
    request_reply(rq, &api_system_info(&rq->call->arena)->base);
}

void frontend_get_cluster_info(struct request *rq)
{
    struct arena *arena = &rq->call->arena;
    Api__GetClusterInfoResponse r = API__GET_CLUSTER_INFO_RESPONSE__INIT;
    r.server_version = API_SERVER_VERSION;
    r.cluster_id = uuid_dup(arena, cluster_id(rq->fe->cl)).ptr;
    r.cluster_name = "active";
    r.history_shard_count = SHARD_COUNT;
    r.persistence_store = rq->fe->shared->store_name;
    r.visibility_store = rq->fe->shared->store_name;
    r.initial_failover_version = 1;
    r.failover_version_increment = 10;
    request_reply(rq, &r.base);
}
