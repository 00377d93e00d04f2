/* Between harness.c and main.c. */
#pragma once

#include "tests/store/contract.h"

void on_lane(void (*fn)(void *arg), void *arg);
/* Runs one case on a lane of its own. */
void harness_case(const struct test_case *c);
