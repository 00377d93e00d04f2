/* Base64 with the standard alphabet. */
#pragma once

#include "common/base/arena.h"
#include "common/base/str.h"

/* With padding, as JSON has it, or without, as headers of gRPC have it. */
struct str base64_encode(struct arena *arena, struct str bytes, bool padded);
/* The same into room for 4 characters per 3 bytes, rounded up; returns how many. */
size_t base64_encode_to(char *to, struct str bytes, bool padded);
/* Both alphabets, with or without padding. False: anything else in it; *ret is untouched then. */
bool base64_decode(struct arena *arena, struct str text, struct str *ret);
