/* Judges wire bytes against a message of the view before they are decoded. Internal to common/api.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "common/base/err.h"

/* ERR_INVALID_ARGUMENT with the path of the offending field, or ERR_NONE: then decoding succeeds
 * and takes at most API_DECODE_MEMORY_MAX bytes. */
enum err api_check(const ProtobufCMessageDescriptor *type, struct str bytes, struct fail *f)
        __attribute__((warn_unused_result));
