/* Namespaces: describe, list, register. A namespace's row holds its DescribeNamespaceResponse in wire form; what
 * depends on the server (capabilities, limits) is filled in when it is read. How a row is changed is
 * namespace_change.c's, what an existing one may become is namespace_update.c's. */
#include "common/api/codec.h"
#include "common/api/errors.h"
#include "common/api/view.h"
#include "frontend/api.h"
#include "frontend/namespace_change.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };

static void reply_or_fail(struct request *rq, Api__DescribeNamespaceResponse *answer)
{
    if (answer) {
        request_reply(rq, &answer->base);
    } else {
        request_fail(rq);
    }
}

/* ---- describing -------------------------------------------------------------------------------- */

static const struct namespace_entry *find(struct request *rq)
{
    const Api__DescribeNamespaceRequest *r = (const void *)rq->message;
    struct uuid id;
    if (*r->namespace_) {
        return namespaces_by_name(rq->fe->namespaces, str_from_cstr(r->namespace_));
    }
    return uuid_parse(str_from_cstr(r->id), &id) ? namespaces_by_id(rq->fe->namespaces, id) : NULL;
}

static void describe(struct request *rq)
{
    const Api__DescribeNamespaceRequest *r = (const void *)rq->message;
    const struct namespace_entry *ns = find(rq);
    if (!ns) {
        fail_namespace_not_found(
                &rq->fail, &rq->call->arena, str_from_cstr(*r->namespace_ ? r->namespace_ : r->id));
        request_fail(rq);
        return;
    }
    reply_or_fail(rq, namespace_described(ns, &rq->call->arena, &rq->fail));
}

void frontend_describe_namespace(struct request *rq)
{
    const Api__DescribeNamespaceRequest *r = (const void *)rq->message;
    if (!*r->namespace_ && !*r->id) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "Namespace not set on request.");
        request_fail(rq);
    } else if (*r->namespace_ && *r->id) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT,
                "GetNamespace operation failed.  Both ID and Name specified in request.");
        request_fail(rq);
    } else if (r->weak_consistency && find(rq)) {
        describe(rq); /* what is known here will do */
    } else {
        request_await_namespaces(rq, describe);
    }
}

/* ---- listing ----------------------------------------------------------------------------------- */

static void list(struct request *rq)
{
    const Api__ListNamespacesRequest *ask = (const void *)rq->message;
    struct arena *arena = &rq->call->arena;
    struct str after = str_of(ask->next_page_token.data, ask->next_page_token.len);
    bool with_deleted = ask->namespace_filter && ask->namespace_filter->include_deleted;
    size_t count, limit = ask->page_size <= 0         ? PAGE_DEFAULT
                          : ask->page_size > PAGE_MAX ? PAGE_MAX
                                                      : (size_t)ask->page_size;
    const struct namespace_entry *const *all = namespaces_all(rq->fe->namespaces, arena, &count);
    Api__ListNamespacesResponse r = API__LIST_NAMESPACES_RESPONSE__INIT;
    r.namespaces = NEW(arena, Api__DescribeNamespaceResponse *, limit + 1);
    for (size_t i = 0; i < count; i++) {
        if ((after.len && str_cmp(all[i]->name, after) <= 0) ||
                (all[i]->state == NAMESPACE_DELETED && !with_deleted)) {
            continue;
        }
        if (r.n_namespaces == limit) {
            r.next_page_token =
                    api_data(str_from_cstr(r.namespaces[limit - 1]->namespace_info->name));
            break;
        }
        Api__DescribeNamespaceResponse *one = namespace_described(all[i], arena, &rq->fail);
        if (!one) {
            request_fail(rq);
            return;
        }
        r.namespaces[r.n_namespaces++] = one;
    }
    request_reply(rq, &r.base);
}

void frontend_list_namespaces(struct request *rq)
{
    request_await_namespaces(rq, list);
}

/* ---- registering ------------------------------------------------------------------------------- */

enum err namespace_check_retention(
        struct request *rq, const Api__Duration *retention, const struct config *config)
{
    struct duration d;
    if (!retention || api_span(retention, "retention", &d, NULL) || d.ns <= 0 ||
            d.ns < config->limit_retention_min.ns) {
        return fail(
                &rq->fail, ERR_INVALID_ARGUMENT, "A valid retention period is not set on request.");
    }
    return ERR_NONE;
}

Api__NamespaceInfo__DataEntry *namespace_data_entry(
        struct arena *arena, const char *key, const char *value)
{
    Api__NamespaceInfo__DataEntry *entry =
            api_new(arena, &api__namespace_info__data_entry__descriptor);
    entry->key = key;
    entry->value = value;
    return entry;
}

static enum err edit_registered(struct namespace_change *c, struct namespace_draft *draft)
{
    const Api__RegisterNamespaceRequest *r = (const void *)c->rq->message;
    if (draft->old) {
        return fail_namespace_already_exists(&c->fail, c->arena, c->name);
    }
    namespace_draft_init(draft, c->arena);
    Api__NamespaceInfo *info = draft->row->namespace_info;
    info->description = r->description;
    info->owner_email = r->owner_email;
    info->data = NEW(c->arena, Api__NamespaceInfo__DataEntry *, r->n_data + 1);
    for (size_t i = 0; i < r->n_data; i++) {
        info->data[info->n_data++] =
                namespace_data_entry(c->arena, r->data[i]->key, r->data[i]->value);
    }
    draft->row->config->workflow_execution_retention_ttl = r->workflow_execution_retention_period;
    return ERR_NONE;
}

void namespace_on_changed(struct namespace_change *c, const struct namespace_entry *now)
{
    if (now) {
        request_reply_bytes(c->rq, STR(""));
        return;
    }
    c->rq->fail = c->fail;
    request_fail(c->rq);
}

/* There is one cluster, and it is called "active". */
enum err namespace_check_clusters(struct request *rq, const char *active,
        Api__ClusterReplicationConfig *const *clusters, size_t count)
{
    for (size_t i = 0; i < count + 1; i++) {
        const char *name = i < count ? clusters[i]->cluster_name : active;
        if (*name && strcmp(name, "active")) {
            return fail(&rq->fail, ERR_INVALID_ARGUMENT, "Invalid cluster name: %s", name);
        }
    }
    return ERR_NONE;
}

void frontend_register_namespace(struct request *rq)
{
    const Api__RegisterNamespaceRequest *r = (const void *)rq->message;
    struct str name = str_from_cstr(r->namespace_);
    enum err err = ERR_NONE;
    if (!name.len) {
        err = fail(&rq->fail, ERR_INVALID_ARGUMENT, "Namespace not set on request.");
    } else if (r->is_global_namespace) {
        err = fail(&rq->fail, ERR_INVALID_ARGUMENT,
                "Cannot register global namespace when not enabled");
    }
    err = err ? err
              : namespace_check_retention(
                        rq, r->workflow_execution_retention_period, rq->fe->shared->config);
    err = err ? err
              : namespace_check_clusters(rq, r->active_cluster_name, r->clusters, r->n_clusters);
    if (err) {
        request_fail(rq);
        return;
    }
    namespace_change_for(rq, name, edit_registered, namespace_on_changed);
}
