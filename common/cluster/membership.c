/* The rule of membership.h. The monotonic clock measures our own health, the database's clock the others' beats;
 * the two are never compared. */
#include "common/cluster/membership.h"

void membership_beat(struct membership *m, struct instant now, bool is_ok)
{
    if (!is_ok) {
        m->is_healthy = false;
        return;
    }
    /* A pause of our own is an outage too: we have not seen what happened. */
    if (!m->is_healthy || instant_since(now, m->last_beat).ns > m->ttl.ns) {
        m->healthy_since = now;
        m->is_healthy = true;
    }
    m->last_beat = now;
}

enum member_state membership_judge(const struct membership *m, struct instant now,
        struct instant database_now, struct instant beat_at, bool is_self, bool was_alive)
{
    if (is_self) {
        return MEMBER_ALIVE;
    }
    if (m->is_alone) {
        return MEMBER_DEAD;
    }
    if (instant_since(database_now, beat_at).ns <= m->ttl.ns) {
        return MEMBER_ALIVE;
    }
    if (m->is_healthy && instant_since(now, m->healthy_since).ns >= m->ttl.ns) {
        return MEMBER_DEAD;
    }
    return was_alive ? MEMBER_ALIVE : MEMBER_SUSPECT;
}
