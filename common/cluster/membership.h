/* Who is alive, pure. A member is judged by the age of its beat on the database's clock, and only by somebody
 * who has reached the database without a break for a whole TTL: after an outage everybody gets one TTL to beat
 * again, so that nobody is declared dead because the database was away. */
#pragma once

#include "common/base/time.h"

enum member_state {
    MEMBER_ALIVE,
    MEMBER_SUSPECT, /* silent, but we may not judge yet */
    MEMBER_DEAD,
};

struct membership {
    struct duration ttl;
    bool is_alone; /* the database belongs to this process: everybody else is dead */
    bool is_healthy;
    struct instant healthy_since, last_beat; /* monotonic */
};

/* Our own beat was answered, or failed. */
void membership_beat(struct membership *m, struct instant now, bool is_ok);
/* was_alive: as judged before. */
enum member_state membership_judge(const struct membership *m, struct instant now,
        struct instant database_now, struct instant beat_at, bool is_self, bool was_alive);
