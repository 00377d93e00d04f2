/* From settings to what a process works with. */
#pragma once

#include "deploy/process_lane.h"

/* Level and format of the log; settings_read does it too, this is for whoever has something to say before. */
enum err settings_set_log(const struct config *config, struct fail *f) MUST_USE;
/* Sets the log's level and format, and the process's addresses, namespaces and TLS. */
enum err settings_read(struct process *process, struct fail *f) MUST_USE;
