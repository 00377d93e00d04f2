/* The table of commands. What stands here is what help, completion and the manual know. */
#include "cli/admin.h"
#include "cli/sets.h"
#include "cli/workflow.h"

#define SET(name, list) static const struct option_set name = { NULL, OPTIONS(list) }

static const struct option list_options[] = {
    { "query", 'q', FLAG_STR, "FILTER", "only those that match, as in: WorkflowType = \"Order\"" },
    { "limit", 0, FLAG_INT, "N", "at most so many" },
    { "page-size", 0, FLAG_INT, "N", "asked for at a time" },
    { "archived", 0, FLAG_SWITCH, NULL, "not there yet" },
};
SET(set_list, list_options);
static const struct option count_options[] = {
    { "query", 'q', FLAG_STR, "FILTER",
            "only those that match; may end in GROUP BY ExecutionStatus" },
};
SET(set_count, count_options);
static const struct option describe_options[] = {
    { "reset-points", 0, FLAG_SWITCH, NULL, "only where it can be reset to" },
};
SET(set_describe, describe_options);
static const struct option detailed_options[] = {
    { "detailed", 0, FLAG_SWITCH, NULL, "every field of each event; with JSON, the history too" },
};
SET(set_detailed, detailed_options);
static const struct option show_options[] = {
    { "follow", 'f', FLAG_SWITCH, NULL, "wait for more until it closes" },
    { "detailed", 0, FLAG_SWITCH, NULL, "every field of each event" },
    { "reverse", 0, FLAG_SWITCH, NULL, "the newest event first" },
};
SET(set_show, show_options);
static const struct option named_options[] = {
    { "name", 0, FLAG_STR, "NAME", "of the signal, query or update", .alias = "type",
            .is_required = true },
};
SET(set_named, named_options);
static const struct option query_options[] = {
    { "reject-condition", 0, FLAG_STR, "WHEN", "refuse when",
            .choices = "not_open|not_completed_cleanly" },
};
SET(set_query, query_options);
static const struct option header_options[] = {
    { "headers", 0, FLAG_LIST, "KEY=JSON", "a header that the workflow sees" },
};
SET(set_headers, header_options);
static const struct option update_options[] = {
    { "workflow-id", 'w', FLAG_STR, "ID", "the workflow", .is_required = true },
    { "run-id", 'r', FLAG_STR, "ID", "one run of it; otherwise the current one" },
    { "update-id", 0, FLAG_STR, "ID", "of the update; otherwise a random one" },
    { "first-execution-run-id", 0, FLAG_STR, "ID", "the chain that it is meant for" },
};
SET(set_update, update_options);
static const struct option stage_options[] = {
    { "wait-for-stage", 0, FLAG_STR, "STAGE", "return when it is", .choices = "accepted",
            .is_required = true },
};
SET(set_stage, stage_options);
static const struct option update_stage_options[] = {
    { "update-wait-for-stage", 0, FLAG_STR, "STAGE", "return when it is", .choices = "accepted",
            .is_required = true },
};
SET(set_update_stage, update_stage_options);
static const struct option update_ref_options[] = {
    { "workflow-id", 'w', FLAG_STR, "ID", "the workflow", .is_required = true },
    { "update-id", 0, FLAG_STR, "ID", "the update", .is_required = true },
    { "run-id", 'r', FLAG_STR, "ID", "one run of it; otherwise the current one" },
};
SET(set_update_ref, update_ref_options);
static const struct option reset_options[] = {
    { "workflow-id", 'w', FLAG_STR, "ID", "the workflow" },
    { "run-id", 'r', FLAG_STR, "ID", "one run of it; otherwise the current one" },
    { "event-id", 'e', FLAG_INT, "N", "the end of the workflow task that comes again" },
    { "type", 't', FLAG_STR, "WHERE", "instead of --event-id",
            .choices = "FirstWorkflowTask|LastWorkflowTask|LastContinuedAsNew" },
    { "reason", 0, FLAG_STR, "TEXT", "why", .is_required = true },
    { "reapply-exclude", 0, FLAG_LIST, "KIND", "what is not applied again: All, Signal, Update" },
    { "reapply-type", 0, FLAG_STR, "KIND", "older: what is applied again", "All",
            "All|Signal|None" },
    { "query", 'q', FLAG_STR, "FILTER", "all that match (batches are not there yet)" },
    { "yes", 'y', FLAG_SWITCH, NULL, "do not ask" },
};
SET(set_reset, reset_options);
static const struct option file_options[] = {
    { "source", 's', FLAG_STR, "FILE", "the history as JSON", .is_required = true },
    { "target", 't', FLAG_STR, "FILE", "where it goes; otherwise standard output" },
};
SET(set_file, file_options);
static const struct option activity_options[] = {
    { "activity-id", 'a', FLAG_STR, "ID", "the activity", .is_required = true },
    { "workflow-id", 'w', FLAG_STR, "ID", "its workflow" },
    { "run-id", 'r', FLAG_STR, "ID", "one run of it; otherwise the current one" },
};
SET(set_activity, activity_options);
static const struct option complete_options[] = {
    { "result", 0, FLAG_STR, "JSON", "what it returns", .is_required = true },
};
SET(set_complete, complete_options);
static const struct option fail_options[] = {
    { "reason", 0, FLAG_STR, "TEXT", "the failure's message" },
    { "detail", 0, FLAG_STR, "JSON", "the failure's details" },
};
SET(set_fail, fail_options);
static const struct option queue_options[] = {
    { "task-queue", 't', FLAG_STR, "NAME", "the task queue", .is_required = true },
};
SET(set_queue, queue_options);
static const struct option queue_describe_options[] = {
    { "task-queue-type", 0, FLAG_LIST, "TYPE",
            "workflow, activity or nexus; otherwise the first two" },
    { "disable-stats", 0, FLAG_SWITCH, NULL, "no figures" },
};
SET(set_queue_describe, queue_describe_options);
static const struct option queue_config_options[] = {
    { "task-queue-type", 0, FLAG_STR, "TYPE", "which of its queues",
            .choices = "workflow|activity|nexus", .is_required = true },
};
SET(set_queue_config, queue_config_options);
static const struct option queue_config_set_options[] = {
    { "queue-rps-limit", 0, FLAG_STR, "N|default", "tasks per second, of all" },
    { "queue-rps-limit-reason", 0, FLAG_STR, "TEXT", "why" },
    { "fairness-key-rps-limit-default", 0, FLAG_STR, "N|default",
            "tasks per second, of each fairness key" },
    { "fairness-key-rps-limit-reason", 0, FLAG_STR, "TEXT", "why" },
    { "fairness-key-weight", 0, FLAG_LIST, "KEY=N|default", "the weight of a fairness key" },
    { "fairness-key-weight-clear-all", 0, FLAG_SWITCH, NULL, "no weights" },
};
SET(set_queue_config_set, queue_config_set_options);
static const struct option namespace_options[] = {
    { "description", 0, FLAG_STR, "TEXT", "what it is for" },
    { "email", 0, FLAG_STR, "ADDRESS", "whose it is" },
    { "data", 0, FLAG_LIST, "KEY=VALUE", "anything" },
    { "history-archival-state", 0, FLAG_STR, "STATE", "archive histories",
            .choices = "disabled|enabled" },
    { "history-uri", 0, FLAG_STR, "URI", "where to" },
    { "visibility-archival-state", 0, FLAG_STR, "STATE", "archive lists",
            .choices = "disabled|enabled" },
    { "visibility-uri", 0, FLAG_STR, "URI", "where to" },
};
SET(set_namespace, namespace_options);
static const struct option namespace_create_options[] = {
    { "retention", 0, FLAG_DURATION, "DURATION", "closed workflows are kept for", "72h" },
    { "global", 0, FLAG_SWITCH, NULL, "in several clusters" },
};
SET(set_namespace_create, namespace_create_options);
static const struct option namespace_update_options[] = {
    { "retention", 0, FLAG_DURATION, "DURATION", "closed workflows are kept for" },
};
SET(set_namespace_update, namespace_update_options);
static const struct option namespace_describe_options[] = {
    { "namespace-id", 0, FLAG_STR, "UUID", "instead of its name" },
};
SET(set_namespace_describe, namespace_describe_options);
static const struct option yes_options[] = {
    { "yes", 'y', FLAG_SWITCH, NULL, "do not ask" },
};
SET(set_yes, yes_options);
static const struct option attribute_options[] = {
    { "name", 0, FLAG_LIST, "NAME", "the attribute", .is_required = true },
};
SET(set_attribute, attribute_options);
static const struct option attribute_type_options[] = {
    { "type", 0, FLAG_LIST, "TYPE", "Text, Keyword, Int, Double, Bool, Datetime or KeywordList",
            .is_required = true },
};
SET(set_attribute_type, attribute_type_options);
static const struct option detail_options[] = {
    { "detail", 0, FLAG_SWITCH, NULL, "more columns" },
};
SET(set_detail, detail_options);
static const struct option limit_options[] = {
    { "limit", 0, FLAG_INT, "N", "at most so many" },
};
SET(set_limit, limit_options);

#define USUAL  &set_client, &set_common
#define START  &set_start, &set_start_policies, &set_input
#define SERVER NULL, { 0 }, false, true
#define GROUP  NULL

const struct command commands[] = {
    { "workflow", "start workflows, look at them, act on them", GROUP },
    { "workflow start", "start a workflow", workflow_start_run, { START, USUAL } },
    { "workflow execute", "start a workflow and wait for its end", workflow_execute_run,
            { START, &set_detailed, USUAL } },
    { "workflow signal-with-start", "signal a workflow, started when it does not run",
            workflow_signal_with_start_run, { &set_signal_input, START, USUAL } },
    { "workflow start-update-with-start",
            "update a workflow, started when it does not run; return when accepted",
            workflow_start_update_with_start_run,
            { &set_update_input, &set_update_stage, START, USUAL } },
    { "workflow execute-update-with-start",
            "update a workflow, started when it does not run; wait for the result",
            workflow_execute_update_with_start_run, { &set_update_input, START, USUAL } },
    { "workflow list", "list workflows", workflow_list_run, { &set_list, USUAL } },
    { "workflow count", "count workflows", workflow_count_run, { &set_count, USUAL } },
    { "workflow describe", "what a workflow is and what it waits for", workflow_describe_run,
            { &set_workflow, &set_describe, USUAL } },
    { "workflow show", "a workflow's history", workflow_show_run,
            { &set_workflow, &set_show, USUAL } },
    { "workflow result", "wait for a workflow's end and show its result", workflow_result_run,
            { &set_workflow, USUAL } },
    { "workflow signal", "send a signal", workflow_signal_run,
            { &set_named, &set_target, &set_input, USUAL } },
    { "workflow query", "ask a workflow's code", workflow_query_run,
            { &set_named, &set_workflow, &set_query, &set_headers, &set_input, USUAL } },
    { "workflow stack", "where a workflow's code stands", workflow_stack_run,
            { &set_workflow, &set_query, USUAL } },
    { "workflow metadata", "which signals, queries and updates a workflow takes",
            workflow_metadata_run, { &set_workflow, &set_query, USUAL } },
    { "workflow update", "updates: requests that a workflow answers", GROUP },
    { "workflow update start", "send an update; return when it is accepted",
            workflow_update_start_run,
            { &set_named, &set_update, &set_stage, &set_headers, &set_input, USUAL } },
    { "workflow update execute", "send an update and wait for its result",
            workflow_update_execute_run,
            { &set_named, &set_update, &set_headers, &set_input, USUAL } },
    { "workflow update result", "wait for an update's result", workflow_update_result_run,
            { &set_update_ref, USUAL } },
    { "workflow update describe", "how far an update is", workflow_update_describe_run,
            { &set_update_ref, USUAL } },
    { "workflow cancel", "ask a workflow to end", workflow_cancel_run, { &set_target, USUAL } },
    { "workflow terminate", "end a workflow at once", workflow_terminate_run,
            { &set_target, USUAL } },
    { "workflow reset", "run a workflow again from an earlier point", workflow_reset_run,
            { &set_reset, USUAL } },
    { "workflow delete", "remove a workflow and its history", workflow_delete_run,
            { &set_target, USUAL } },
    { "workflow fix-history-json", "rewrite a history file for replayers", workflow_fix_history_run,
            { &set_file, &set_common } },
    { "activity", "settle activities from outside", GROUP },
    { "activity complete", "complete an activity", activity_complete_run,
            { &set_activity, &set_complete, USUAL } },
    { "activity fail", "fail an activity", activity_fail_run, { &set_activity, &set_fail, USUAL } },
    { "task-queue", "look at task queues", GROUP },
    { "task-queue describe", "who polls a task queue, and what waits in it",
            task_queue_describe_run, { &set_queue, &set_queue_describe, USUAL } },
    { "task-queue list-partition", "where a task queue lives", task_queue_list_partition_run,
            { &set_queue, USUAL } },
    { "task-queue config", "a task queue's limits", GROUP },
    { "task-queue config get", "show them", task_queue_config_get_run,
            { &set_queue, &set_queue_config, USUAL } },
    { "task-queue config set", "change them", task_queue_config_set_run,
            { &set_queue, &set_queue_config, &set_queue_config_set, USUAL } },
    { "operator", "administration", GROUP },
    { "operator namespace", "namespaces", GROUP },
    { "operator namespace create", "create a namespace", namespace_create_run,
            { &set_namespace_create, &set_namespace, USUAL }, true },
    { "operator namespace describe", "describe a namespace", namespace_describe_run,
            { &set_namespace_describe, USUAL }, true },
    { "operator namespace list", "describe all namespaces", namespace_list_run, { USUAL } },
    { "operator namespace update", "change a namespace", namespace_update_run,
            { &set_namespace_update, &set_namespace, USUAL }, true },
    { "operator namespace delete", "delete a namespace with all that is in it",
            namespace_delete_run, { &set_yes, USUAL }, true },
    { "operator search-attribute", "search attributes of a namespace", GROUP },
    { "operator search-attribute create", "add attributes", search_attribute_create_run,
            { &set_attribute, &set_attribute_type, USUAL } },
    { "operator search-attribute list", "list attributes", search_attribute_list_run, { USUAL } },
    { "operator search-attribute remove", "remove attributes", search_attribute_remove_run,
            { &set_attribute, &set_yes, USUAL } },
    { "operator cluster", "the cluster", GROUP },
    { "operator cluster health", "is it serving?", cluster_health_run, { USUAL } },
    { "operator cluster describe", "what it is", cluster_describe_run, { &set_detail, USUAL } },
    { "operator cluster system", "what it can do", cluster_system_run, { USUAL } },
    { "operator cluster list", "all clusters that it knows", cluster_list_run,
            { &set_limit, USUAL } },
    { "server", "run servers", GROUP },
    { "server start-dev", "all services in one process, for development", SERVER },
    { "server frontend", "one service of a cluster: the public API", SERVER },
    { "server history", "one service of a cluster: the workflows", SERVER },
    { "server matching", "one service of a cluster: the task queues", SERVER },
    { "server worker", "one service of a cluster: background work", SERVER },
    { "schema", "the database's schema", GROUP },
    { "schema migrate", "bring it up to date", SERVER },
    { "schema status", "which version it has", SERVER },
    { "completion", "a script for the shell: bash, zsh or fish", help_completion, { 0 }, true },
    { "version", "the version of this executable", SERVER },
};
const size_t command_count = ARRAY_LEN(commands);
