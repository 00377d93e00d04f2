/* Base64 with the standard alphabet. */
#pragma once

#include "common/base/arena.h"
#include "common/base/str.h"

/* With padding, as JSON has it, or without, as headers of gRPC have it. */
struct str base64_encode(struct arena *arena, struct str bytes, bool padded);
/* Both alphabets, with or without padding. False: anything else in it; *ret is untouched then. */
bool base64_decode(struct arena *arena, struct str text, struct str *ret);
