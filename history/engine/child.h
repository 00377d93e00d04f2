/* Ids of messages: the event they come from and what they say of it, so that each is unique within its run. */
#pragma once

#include <stdint.h>

enum message_topic {
    MESSAGE_START = 0, /* also signals and cancel requests: the initiated event */
    MESSAGE_FIRST_TASK = 1,
    MESSAGE_POLICY = 2,
    MESSAGE_CLOSED = 3, /* the closing event */
};

enum { MESSAGE_TOPIC_SHIFT = 56 };

static inline int64_t message_id(enum message_topic topic, int64_t event_id)
{
    return (int64_t)((uint64_t)topic << MESSAGE_TOPIC_SHIFT) | event_id;
}

static inline enum message_topic message_topic(int64_t id)
{
    return (enum message_topic)((uint64_t)id >> MESSAGE_TOPIC_SHIFT);
}

static inline int64_t message_event_id(int64_t id)
{
    return id & (((int64_t)1 << MESSAGE_TOPIC_SHIFT) - 1);
}
