/* Priorities are carried as the public message; children and activities take what they do not say themselves from
 * their workflow. What a priority does is the matter of history's dispatch and of matching. */
#include "history/engine/priority.h"

#include "common/model/priority.h"

const char *priority_problem(struct str message)
{
    struct priority p = priority_read(message);
    if (p.key < 0) {
        return "priority key can't be negative";
    }
    if (p.fairness_key.len > FAIRNESS_KEY_MAX) {
        return "fairness key length exceeds limit";
    }
    return p.weight < 0 || p.weight != p.weight ? "must be greater than zero" : NULL;
}

struct str priority_merge(struct arena *arena, struct str base, struct str over)
{
    if (!base.len || !over.len) {
        return base.len ? base : over;
    }
    struct priority p = priority_read(base), o = priority_read(over);
    p.key = o.key ? o.key : p.key;
    p.fairness_key = o.fairness_key.len ? o.fairness_key : p.fairness_key;
    p.weight = o.weight != 0 ? o.weight : p.weight;
    struct buf out;
    buf_init_arena(&out, arena, base.len + over.len + PRIORITY_BYTES_MAX);
    priority_write(&out, &p);
    return buf_str(&out);
}
