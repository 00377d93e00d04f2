/* The shards of this lane.
 *
 *     NONE --shards_gain--> ACQUIRING --first page of due runs--> OWNED
 *       ^                       |                                    |
 *       |---- batch durable, runs dropped ---- RELEASING <-----------'  history_release_shards
 *       |                                        |  ^
 *       |            assigned to us again, already |  `-- and given away again
 *       |                                        v  |
 *       `---- the same, then acquired anew --- RETURNING
 *
 * ACQUIRING and OWNED serve calls: a call loads its run by itself. Taking over reads which runs are due: those due
 * now are loaded in bounded numbers, those due within the window only enter the wheel, the rest stays where it is. */
#pragma once

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/list.h"
#include "common/model/ids.h"

struct history;

enum shard_state { SHARD_NONE, SHARD_ACQUIRING, SHARD_OWNED, SHARD_RELEASING, SHARD_RETURNING };

struct shards {
    uint8_t state[SHARD_COUNT]; /* enum shard_state */
    uint32_t count;             /* that are not NONE */
    struct list releases;
};

void shards_init(struct shards *shards);
bool shard_serves(const struct history *h, uint32_t shard);
/* ERR_NOT_OWNER with the hint of the owner, ERR_UNAVAILABLE while the lane cannot serve. */
enum err shard_check(const struct history *h, uint32_t shard, struct fail *f) MUST_USE;
/* The owned shards as a list in the arena. */
uint32_t *shards_list(const struct history *h, struct arena *arena, size_t *count);
/* The scan of a take-over has read what is due. */
void shards_acquired(struct history *h, const uint32_t *shards, size_t count);
/* Goes on with releases whose last batch is durable. */
void shards_tick(struct history *h);
/* Forgets all ownership at once: the writer is lost, or the lane ends. */
void shards_forget(struct history *h);
