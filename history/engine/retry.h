/* Whether and when to try again: for activities and for runs. */
#pragma once

#include "history/engine/engine.h"

/* What matters of a Failure message. */
struct failure_info {
    enum failure_kind {
        FAILURE_OTHER,
        FAILURE_APPLICATION,
        FAILURE_TIMEOUT,
        FAILURE_CANCELED,
        FAILURE_TERMINATED,
        FAILURE_SERVER,
    } kind;
    struct str type; /* application */
    bool non_retryable;
    bool has_next_retry_delay;
    struct duration next_retry_delay;
    enum timeout_type timeout;
    bool is_malformed;
};
struct failure_info failure_parse(struct str failure);
bool failure_is_retryable(const struct failure_info *info, const struct retry_policy *policy);

/* What a user may ask for at most: 100 years. */
#define duration_longest ((struct duration){ (int64_t)100 * 365 * 24 * 3600 * 1000000000 })

struct retry_verdict {
    enum retry_state state; /* IN_PROGRESS: again after delay */
    struct duration delay;
};
/* attempt: the one that has failed, from 1. The next one must not begin after the deadline ({0}: none). */
struct retry_verdict retry_decide(const struct retry_policy *policy, int32_t attempt,
        struct instant now, struct instant deadline, const struct failure_info *info);
/* initial * coefficient^(attempt - 1), at most the maximum interval; never overflows. */
struct duration retry_delay(const struct retry_policy *policy, int32_t attempt);
/* Missing fields get the server's defaults: 1 s, 2.0, 100 * initial, unlimited. */
struct retry_policy retry_policy_with_defaults(struct retry_policy policy);
/* NULL: valid. */
const char *retry_policy_problem(const struct retry_policy *policy);
/* An encoded timeout Failure. */
struct str timeout_failure(struct arena *arena, struct str message, enum timeout_type type,
        struct str last_heartbeat_details, struct str cause);
/* An encoded failure by the server itself. */
struct str server_failure(struct arena *arena, struct str message, bool non_retryable);
/* Payloads of one JSON text. The text must need no escapes. */
void text_payloads(struct buf *out, struct str text);
const char *timeout_type_name(enum timeout_type type);
/* A failure of the server whose cause is this failure and its causes, cut to about `max` bytes: type and
 * non_retryable stay, then come the texts of the outermost, then those of its cause, as far as there is room. */
struct str failure_cut(struct arena *arena, struct str failure, bool non_retryable, size_t max);
