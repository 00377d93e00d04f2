/* The rpc door between simulated processes of one thread: calls are messages to the other lane, so nothing
 * happens before its next turn. Each process has one lane. Stands in for common/rpc at link time. */
#pragma once

#include "common/rpc/rpc.h"

/* Calls to and from this member: outstanding ones fail, new ones are not sent, watchers are told. */
void fake_rpc_cut(struct uuid member);
void fake_rpc_heal(struct uuid member);
