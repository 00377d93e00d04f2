/* The generated C of the server view (proto/), in one include. For frontend and common/api only;
 * the rest of the house speaks struct str and the words of the domain.
 *
 * Names: message StartWorkflowExecutionRequest is Api__StartWorkflowExecutionRequest with
 * descriptor api__start_workflow_execution_request__descriptor. Prefixes besides Api are Update
 * (temporal.api.update), Protocol (temporal.api.protocol), Health and Reflection. */
#pragma once

#include "proto/activity.pb-c.h"
#include "proto/command.pb-c.h"
#include "proto/common.pb-c.h"
#include "proto/enums.pb-c.h"
#include "proto/errordetails.pb-c.h"
#include "proto/failure.pb-c.h"
#include "proto/filter.pb-c.h"
#include "proto/google.pb-c.h"
#include "proto/health.pb-c.h"
#include "proto/history.pb-c.h"
#include "proto/namespace.pb-c.h"
#include "proto/operator.pb-c.h"
#include "proto/protocol.pb-c.h"
#include "proto/query.pb-c.h"
#include "proto/read.pb-c.h"
#include "proto/reflection.pb-c.h"
#include "proto/replication.pb-c.h"
#include "proto/start.pb-c.h"
#include "proto/status.pb-c.h"
#include "proto/system.pb-c.h"
#include "proto/task.pb-c.h"
#include "proto/taskqueue.pb-c.h"
#include "proto/update.pb-c.h"
#include "proto/workflow.pb-c.h"
