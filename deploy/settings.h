/* From settings to what a process works with. */
#pragma once

#include "deploy/process_lane.h"

/* Sets the log's level and format, and the process's addresses, namespaces and TLS. */
enum err settings_read(struct process *process, struct fail *f) MUST_USE;
