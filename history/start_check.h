/* What is wrong with a start, before anybody asks whether its workflow id is free. */
#pragma once

#include "common/api/view.h"
#include "history/engine/engine.h"

/* The event is what the request became; its zone is filled in. Checks in the API's order, with its texts. */
enum err start_check(const Api__StartWorkflowExecutionRequest *r, const struct event *ev,
        struct fail *f) MUST_USE;
/* Policies that contradict each other. */
enum err start_check_policies(const Api__StartWorkflowExecutionRequest *r, struct fail *f) MUST_USE;
/* Number and forms of the callbacks of any request. */
enum err callbacks_check(const ProtobufCBinaryData *callbacks, size_t count,
        const struct engine_limits *limits, struct fail *f) MUST_USE;
/* options_check.c: a message VersioningOverride; empty is fine. */
enum err override_check(
        struct str override, const struct engine_limits *limits, struct fail *f) MUST_USE;
/* Bounds of the links of any request. */
enum err links_check(const ProtobufCBinaryData *links, size_t count,
        const struct engine_limits *limits, struct fail *f) MUST_USE;
