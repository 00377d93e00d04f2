/* The frontend of one lane: puts its parts together. What calls do is in the files of their area.
 */
#include "frontend/frontend.h"

#include <stdlib.h>

#include "frontend/api.h"
#include "frontend/dispatch.h"

struct frontend *frontend_new(struct lane *lane, struct rpc_lane *rl, struct store_lane *sl,
        struct cluster_lane *cl, struct namespaces_lane *namespaces, struct grpc_server *grpc,
        const struct frontend_shared *shared)
{
    struct frontend *fe = calloc(1, sizeof(*fe));
    check(fe);
    *fe = (struct frontend){
        .lane = lane,
        .rl = rl,
        .sl = sl,
        .cl = cl,
        .namespaces = namespaces,
        .grpc = grpc,
        .shared = shared,
    };
    if (shared->quotas) {
        quotas_lane_init(&fe->quotas, shared->quotas);
    }
    dispatch_register(fe);
    dispatch_hold(fe);
    return fe;
}

void frontend_free(struct frontend *fe)
{
    if (fe && fe->quotas.quotas) {
        quotas_lane_deinit(&fe->quotas);
    }
    if (fe) {
        lane_timer_stop(fe->lane, &fe->early_timer);
    }
    free(fe);
}

bool frontend_is_ready(const struct frontend *fe)
{
    return namespaces_ready(fe->namespaces);
}

void frontend_serve(struct frontend *fe)
{
    fe->is_serving = true;
    dispatch_release(fe);
}

struct frontend_stats frontend_stats(const struct frontend *fe)
{
    return fe->stats;
}
