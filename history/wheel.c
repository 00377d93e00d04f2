/* Wall-clock timers over one lane timer: a heap by due time, the earliest of which arms the lane. Relies on
 * lane_now never running backwards; what is done when a node fires is the owner's business. */
#include "history/wheel.h"

#include "common/base/check.h"

/* A lane sleeps on monotonic time; the correction of the wall clock may move meanwhile. */
#define WHEEL_RECHECK DURATION_SECONDS(5)
enum { FIRE_PER_TURN = 256 };

static void wheel_fire(struct lane_timer *timer);

static void wheel_arm(struct wheel *wheel)
{
    struct heap_node *min = heap_min(&wheel->heap);
    if (!min) {
        lane_timer_stop(wheel->lane, &wheel->timer);
        wheel->armed_for = INT64_MAX;
        return;
    }
    if (lane_timer_running(&wheel->timer) && min->key >= wheel->armed_for) {
        return;
    }
    struct duration after = instant_since((struct instant){ min->key }, lane_now(wheel->lane));
    after.ns = after.ns < 0 ? 0 : after.ns;
    wheel->armed_for = min->key;
    lane_timer_start(wheel->lane, &wheel->timer, duration_min(after, WHEEL_RECHECK), wheel_fire);
}

static void wheel_fire(struct lane_timer *timer)
{
    struct wheel *wheel = container_of(timer, struct wheel, timer);
    int64_t now = lane_now(wheel->lane).ns;
    wheel->armed_for = INT64_MAX;
    for (unsigned i = 0; i < FIRE_PER_TURN; i++) {
        struct heap_node *min = heap_min(&wheel->heap);
        if (!min || min->key > now) {
            break;
        }
        heap_remove(&wheel->heap, min);
        struct wheel_node *node = container_of(min, struct wheel_node, node);
        node->fire(node);
    }
    wheel_arm(wheel);
}

void wheel_init(struct wheel *wheel, struct lane *lane)
{
    *wheel = (struct wheel){ .lane = lane, .armed_for = INT64_MAX };
}

void wheel_deinit(struct wheel *wheel)
{
    lane_timer_stop(wheel->lane, &wheel->timer);
}

void wheel_set(struct wheel *wheel, struct wheel_node *node, struct instant at)
{
    if (node->node.linked && node->node.key == at.ns) {
        return;
    }
    heap_remove(&wheel->heap, &node->node);
    if (at.ns != INT64_MAX) {
        heap_insert(&wheel->heap, &node->node, at.ns);
        wheel_arm(wheel);
    }
}

void wheel_stop(struct wheel *wheel, struct wheel_node *node)
{
    heap_remove(&wheel->heap, &node->node);
}
