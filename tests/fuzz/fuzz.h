/* What a harness defines. The same source runs under libFuzzer (scripts/fuzz) and, with replay.c, over its
 * corpus as an ordinary test. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
