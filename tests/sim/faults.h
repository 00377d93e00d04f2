/* What goes wrong in a world, and when: from its seed alone. */
#pragma once

#include "tests/sim/world.h"

void faults_start(void);
/* From now on nothing goes wrong any more, and what is broken is mended. */
void faults_stop(void);
