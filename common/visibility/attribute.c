/* The table of built-in search attributes and the small words around types. Pure; the search document is
 * document.c's. */
#include "common/visibility/attribute.h"

#include "common/base/check.h"

static const struct attribute built_in[] = {
#define SYSTEM(name, type, source)                        \
    {                                                     \
        STR_INIT(name), ATTRIBUTE_##type, SOURCE_##source \
    }
    SYSTEM("WorkflowId", KEYWORD, WORKFLOW_ID),
    SYSTEM("RunId", KEYWORD, RUN_ID),
    SYSTEM("WorkflowType", KEYWORD, WORKFLOW_TYPE),
    SYSTEM("ExecutionStatus", KEYWORD, STATUS),
    SYSTEM("TaskQueue", KEYWORD, TASK_QUEUE),
    SYSTEM("ParentWorkflowId", KEYWORD, PARENT_WORKFLOW_ID),
    SYSTEM("ParentRunId", KEYWORD, PARENT_RUN_ID),
    SYSTEM("RootWorkflowId", KEYWORD, ROOT_WORKFLOW_ID),
    SYSTEM("RootRunId", KEYWORD, ROOT_RUN_ID),
    SYSTEM("StartTime", DATETIME, START_TIME),
    SYSTEM("ExecutionTime", DATETIME, EXECUTION_TIME),
    SYSTEM("CloseTime", DATETIME, CLOSE_TIME),
    SYSTEM("HistoryLength", INT, HISTORY_LENGTH),
    SYSTEM("HistorySizeBytes", INT, HISTORY_SIZE),
    SYSTEM("StateTransitionCount", INT, STATE_TRANSITIONS),
    SYSTEM("ExecutionDuration", INT, DURATION),
    SYSTEM("TemporalChangeVersion", KEYWORD_LIST, DOCUMENT),
    SYSTEM("BinaryChecksums", KEYWORD_LIST, DOCUMENT),
    SYSTEM("BuildIds", KEYWORD_LIST, DOCUMENT),
    SYSTEM("TemporalPauseInfo", KEYWORD_LIST, DOCUMENT),
    SYSTEM("TemporalReportedProblems", KEYWORD_LIST, DOCUMENT),
    SYSTEM("TemporalUsedWorkerDeploymentVersions", KEYWORD_LIST, DOCUMENT),
    SYSTEM("BatcherNamespace", KEYWORD, DOCUMENT),
    SYSTEM("BatcherUser", KEYWORD, DOCUMENT),
    SYSTEM("TemporalScheduledById", KEYWORD, DOCUMENT),
    SYSTEM("TemporalNamespaceDivision", KEYWORD, DOCUMENT),
    SYSTEM("TemporalWorkerDeployment", KEYWORD, DOCUMENT),
    SYSTEM("TemporalWorkerDeploymentVersion", KEYWORD, DOCUMENT),
    SYSTEM("TemporalWorkflowVersioningBehavior", KEYWORD, DOCUMENT),
    SYSTEM("TemporalScheduledStartTime", DATETIME, DOCUMENT),
    SYSTEM("TemporalSchedulePaused", BOOL, DOCUMENT),
    SYSTEM("TemporalExternalPayloadCount", INT, DOCUMENT),
    SYSTEM("TemporalExternalPayloadSizeBytes", INT, DOCUMENT),
#undef SYSTEM
};

bool attribute_find_built_in(struct str name, struct attribute *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(built_in); i++) {
        struct str full = built_in[i].name;
        bool is_short = str_starts_with(full, STR("Temporal")) &&
                        str_eq(str_drop(full, strlen("Temporal")), name);
        if (str_eq(full, name) || is_short) {
            *ret = built_in[i];
            return true;
        }
    }
    return false;
}

static const struct str type_names[] = {
    [ATTRIBUTE_TEXT] = STR_INIT("Text"),
    [ATTRIBUTE_KEYWORD] = STR_INIT("Keyword"),
    [ATTRIBUTE_INT] = STR_INIT("Int"),
    [ATTRIBUTE_DOUBLE] = STR_INIT("Double"),
    [ATTRIBUTE_BOOL] = STR_INIT("Bool"),
    [ATTRIBUTE_DATETIME] = STR_INIT("Datetime"),
    [ATTRIBUTE_KEYWORD_LIST] = STR_INIT("KeywordList"),
};

struct str attribute_type_name(enum attribute_type type)
{
    return type > 0 && (size_t)type < ARRAY_LEN(type_names) ? type_names[type] : STR("");
}

bool attribute_type_of_name(struct str name, enum attribute_type *ret)
{
    for (size_t i = 1; i < ARRAY_LEN(type_names); i++) {
        if (str_eq(type_names[i], name)) {
            *ret = (enum attribute_type)i;
            return true;
        }
    }
    return false;
}

static bool is_word_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

bool text_next_word(struct str *rest, struct arena *arena, struct str *word)
{
    size_t at = 0;
    while (at < rest->len && !is_word_byte(rest->ptr[at])) {
        at++;
    }
    size_t begin = at;
    while (at < rest->len && is_word_byte(rest->ptr[at])) {
        at++;
    }
    if (at == begin) {
        return false;
    }
    char *copy = arena_alloc(arena, at - begin, 1);
    for (size_t i = begin; i < at; i++) {
        char c = rest->ptr[i];
        copy[i - begin] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    *word = str_of(copy, at - begin);
    *rest = str_drop(*rest, at);
    return true;
}
