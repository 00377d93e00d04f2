/* The network between simulated processes: what stands in for common/rpc's manager and streams. Calls
 * themselves are production code (rpc_call.c, rpc_in.c, rpc_local.c, rpc.c).
 *
 * As TCP does it: a link keeps the order of its frames, loses none while it lives, and may lose any
 * end of them when it breaks. Its two ends learn of that at times of their own. */
#pragma once

#include "tests/sim/host.h"

/* Nothing passes between two places, in one direction or both; links that are silent for three
 * seconds break. */
void sim_net_cut(unsigned from, unsigned to, struct duration span);
void sim_net_heal(void); /* all of them */
/* A link between random processes breaks. */
void sim_net_break_one(void);
void sim_net_host_died(struct host *host);
void sim_net_host_frozen(struct host *host, struct duration span);
