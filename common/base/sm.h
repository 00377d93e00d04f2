/* State machines as tables: the allowed moves are data, one function moves, the machine's invariant
 * is checked after each move. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/check.h"

struct sm_state {
    const char *name;
    uint64_t allowed; /* bit n: may move to state n */
};

#define SM_TO(state) ((uint64_t)1 << (state))

static inline bool sm_allows(const struct sm_state *table, unsigned from, unsigned to)
{
    return (table[from].allowed >> to) & 1;
}

/* Moves, or aborts when the table does not allow it. The caller checks its invariant afterwards. */
#define sm_move(table, field, to)                                     \
    do {                                                              \
        check(sm_allows((table), (unsigned)(field), (unsigned)(to))); \
        (field) = (to);                                               \
    } while (0)
