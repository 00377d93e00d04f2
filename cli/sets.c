/* Option sets that several commands share, in the names that users of the API's command line know. */
#include "cli/sets.h"

static const struct option common_options[] = {
    { "output", 'o', FLAG_STR, "FORM", "how results are printed", "text", "text|json|jsonl|none",
            .env = "TEMPORAL_OUTPUT" },
    { "time-format", 0, FLAG_STR, "FORM", "how times are shown in text", "relative",
            "relative|iso|raw" },
    { "color", 0, FLAG_STR, "WHEN", "colours; auto: on a terminal, without NO_COLOR", "auto",
            "always|never|auto" },
    { "no-json-shorthand-payloads", 0, FLAG_SWITCH, NULL,
            "payloads with their encoding and bytes in JSON" },
    { "command-timeout", 0, FLAG_DURATION, "DURATION", "give up after" },
    { "help", 'h', FLAG_SWITCH, NULL, "this text" },
    /* Of the reference's command line; there is nothing here that they would change. */
    { "log-level", 0, FLAG_STR },
    { "log-format", 0, FLAG_STR },
    { "client-connect-timeout", 0, FLAG_DURATION },
    { "disable-config-file", 0, FLAG_SWITCH },
    { "disable-config-env", 0, FLAG_SWITCH },
};
const struct option_set set_common = { "Output", OPTIONS(common_options) };

static const struct option client_options[] = {
    { "address", 0, FLAG_STR, "HOST:PORT", "the server", "localhost:7233",
            .env = "TEMPORAL_ADDRESS" },
    { "namespace", 'n', FLAG_STR, "NAME", "the namespace", "default", .env = "TEMPORAL_NAMESPACE" },
    { "api-key", 0, FLAG_STR, "KEY", "sent as a bearer token; means TLS",
            .env = "TEMPORAL_API_KEY" },
    { "grpc-meta", 0, FLAG_LIST, "KEY=VALUE", "a header of every call" },
    { "identity", 0, FLAG_STR, "TEXT", "who asks, in histories" },
    { "client-authority", 0, FLAG_STR, "TEXT", "the calls' :authority" },
    { "tls", 0, FLAG_SWITCH, NULL, "TLS; implied by the other options about it",
            .env = "TEMPORAL_TLS" },
    { "tls-cert-path", 0, FLAG_STR, "FILE", "our certificate",
            .env = "TEMPORAL_TLS_CLIENT_CERT_PATH" },
    { "tls-cert-data", 0, FLAG_STR, "PEM", "our certificate",
            .env = "TEMPORAL_TLS_CLIENT_CERT_DATA" },
    { "tls-key-path", 0, FLAG_STR, "FILE", "its key", .env = "TEMPORAL_TLS_CLIENT_KEY_PATH" },
    { "tls-key-data", 0, FLAG_STR, "PEM", "its key", .env = "TEMPORAL_TLS_CLIENT_KEY_DATA" },
    { "tls-ca-path", 0, FLAG_STR, "FILE", "who signs servers' certificates",
            .env = "TEMPORAL_TLS_SERVER_CA_CERT_PATH" },
    { "tls-ca-data", 0, FLAG_STR, "PEM", "who signs servers' certificates",
            .env = "TEMPORAL_TLS_SERVER_CA_CERT_DATA" },
    { "tls-server-name", 0, FLAG_STR, "NAME", "whom the certificate must name",
            .env = "TEMPORAL_TLS_SERVER_NAME" },
    { "tls-disable-host-verification", 0, FLAG_SWITCH, NULL, "trust anybody",
            .env = "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION" },
    { "codec-endpoint", 0, FLAG_STR, "URL", "not there yet", .env = "TEMPORAL_CODEC_ENDPOINT" },
};
const struct option_set set_client = { "Server", OPTIONS(client_options) };

static const struct option workflow_options[] = {
    { "workflow-id", 'w', FLAG_STR, "ID", "the workflow", .is_required = true },
    { "run-id", 'r', FLAG_STR, "ID", "one run of it; otherwise the current one" },
};
const struct option_set set_workflow = { NULL, OPTIONS(workflow_options) };

static const struct option target_options[] = {
    { "workflow-id", 'w', FLAG_STR, "ID", "the workflow" },
    { "run-id", 'r', FLAG_STR, "ID", "one run of it; otherwise the current one" },
    { "query", 'q', FLAG_STR, "FILTER", "all that match (batches are not there yet)" },
    { "reason", 0, FLAG_STR, "TEXT", "why; for batches, and for terminate" },
    { "yes", 'y', FLAG_SWITCH, NULL, "do not ask" },
    { "rps", 0, FLAG_DOUBLE, "N", "of batches: operations per second" },
    { "headers", 0, FLAG_LIST, "KEY=JSON", "a header that the workflow sees" },
};
const struct option_set set_target = { NULL, OPTIONS(target_options) };

static const struct option start_options[] = {
    { "workflow-id", 'w', FLAG_STR, "ID", "the workflow; otherwise a random one" },
    { "type", 0, FLAG_STR, "NAME", "the workflow's type", .alias = "name", .is_required = true },
    { "task-queue", 't', FLAG_STR, "NAME", "where its workers poll", .is_required = true },
    { "execution-timeout", 0, FLAG_DURATION, "DURATION", "of the workflow with all its runs" },
    { "run-timeout", 0, FLAG_DURATION, "DURATION", "of one run" },
    { "task-timeout", 0, FLAG_DURATION, "DURATION", "of one workflow task", "10s" },
    { "search-attribute", 0, FLAG_LIST, "KEY=JSON", "what lists can look for" },
    { "memo", 0, FLAG_LIST, "KEY=JSON", "a note that lists show" },
    { "headers", 0, FLAG_LIST, "KEY=JSON", "a header that the workflow sees" },
    { "static-summary", 0, FLAG_STR, "TEXT", "one line about it, for people" },
    { "static-details", 0, FLAG_STR, "TEXT", "more about it, for people" },
    { "priority-key", 0, FLAG_INT, "N", "of its tasks; small ones come first" },
    { "fairness-key", 0, FLAG_STR, "TEXT", "whose turn its tasks are" },
    { "fairness-weight", 0, FLAG_DOUBLE, "N", "of that key" },
};
const struct option_set set_start = { NULL, OPTIONS(start_options) };

static const struct option start_policy_options[] = {
    { "id-reuse-policy", 0, FLAG_STR, "POLICY", "when a closed workflow has the id",
            .choices =
                    "AllowDuplicate|AllowDuplicateFailedOnly|RejectDuplicate|TerminateIfRunning" },
    { "id-conflict-policy", 0, FLAG_STR, "POLICY", "when a running workflow has the id",
            .choices = "Fail|UseExisting|TerminateExisting" },
    { "fail-existing", 0, FLAG_SWITCH, NULL, "a running workflow of this id is an error" },
    { "start-delay", 0, FLAG_DURATION, "DURATION", "before its first task" },
    { "cron", 0, FLAG_STR, "SPEC", "run again and again" },
};
const struct option_set set_start_policies = { "Start", OPTIONS(start_policy_options) };

static const struct option input_options[] = {
    { "input", 'i', FLAG_LIST, "JSON", "an argument" },
    { "input-file", 0, FLAG_LIST, "FILE", "an argument, from a file (-: standard input)" },
    { "input-meta", 0, FLAG_LIST, "KEY=VALUE",
            "metadata of arguments; encoding=json/plain unless given" },
    { "input-base64", 0, FLAG_SWITCH, NULL, "arguments are base64" },
};
const struct option_set set_input = { "Input", OPTIONS(input_options) };

static const struct option signal_input_options[] = {
    { "signal-name", 0, FLAG_STR, "NAME", "the signal", .alias = "signal-type",
            .is_required = true },
    { "signal-input", 0, FLAG_LIST, "JSON", "an argument of the signal" },
    { "signal-input-file", 0, FLAG_LIST, "FILE", "an argument, from a file" },
    { "signal-input-meta", 0, FLAG_LIST, "KEY=VALUE", "metadata of arguments" },
    { "signal-input-base64", 0, FLAG_SWITCH, NULL, "arguments are base64" },
};
const struct option_set set_signal_input = { "Signal", OPTIONS(signal_input_options) };

static const struct option update_input_options[] = {
    { "update-name", 0, FLAG_STR, "NAME", "the update", .alias = "update-type",
            .is_required = true },
    { "update-id", 0, FLAG_STR, "ID", "of the update; otherwise a random one" },
    { "update-first-execution-run-id", 0, FLAG_STR, "ID", "the chain that it is meant for" },
    { "run-id", 'r', FLAG_STR, "ID", "the run that it is meant for" },
    { "update-input", 0, FLAG_LIST, "JSON", "an argument of the update" },
    { "update-input-file", 0, FLAG_LIST, "FILE", "an argument, from a file" },
    { "update-input-meta", 0, FLAG_LIST, "KEY=VALUE", "metadata of arguments" },
    { "update-input-base64", 0, FLAG_SWITCH, NULL, "arguments are base64" },
};
const struct option_set set_update_input = { "Update", OPTIONS(update_input_options) };
