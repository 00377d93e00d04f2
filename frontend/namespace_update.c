/* What becomes of a namespace: UpdateNamespace, DeprecateNamespace, DeleteNamespace. How a row is changed is
 * namespace_change.c's. */
#include "common/api/codec.h"
#include "common/api/errors.h"
#include "frontend/namespace_change.h"

enum { DELETED_SUFFIX = 5 };

/* ---- updating ---------------------------------------------------------------------------------- */

static enum err not_found(struct namespace_change *c)
{
    return fail_namespace_not_found(&c->fail, c->arena, c->name);
}

static void merge_data(
        Api__NamespaceInfo *info, const Api__UpdateNamespaceInfo *update, struct arena *arena)
{
    Api__NamespaceInfo__DataEntry **all =
            NEW(arena, Api__NamespaceInfo__DataEntry *, info->n_data + update->n_data + 1);
    size_t count = info->n_data;
    if (count) {
        memcpy(all, info->data, count * sizeof(*all));
    }
    for (size_t i = 0; i < update->n_data; i++) {
        size_t at = 0;
        while (at < count && strcmp(all[at]->key, update->data[i]->key)) {
            at++;
        }
        all[at] = namespace_data_entry(arena, update->data[i]->key, update->data[i]->value);
        count += at == count;
    }
    info->data = all;
    info->n_data = count;
}

/* registered -> deprecated -> deleted; never back. */
static enum err update_state(
        struct namespace_change *c, struct namespace_draft *draft, Api__NamespaceState next)
{
    int old = (int)draft->state, new = (int)next;
    if (new == 0 || new == old) {
        return ERR_NONE;
    }
    if (new < old || new > NAMESPACE_DELETED) {
        return fail(&c->fail, ERR_INVALID_ARGUMENT, "Invalid namespace state update.");
    }
    draft->state = (enum namespace_state) new;
    draft->changed = true;
    return ERR_NONE;
}

static enum err update_info(struct namespace_change *c, struct namespace_draft *draft,
        const Api__UpdateNamespaceInfo *update)
{
    Api__NamespaceInfo *info = draft->row->namespace_info;
    if (*update->description) {
        info->description = update->description;
        draft->changed = true;
    }
    if (*update->owner_email) {
        info->owner_email = update->owner_email;
        draft->changed = true;
    }
    if (update->n_data) {
        merge_data(info, update, c->arena);
        draft->changed = true;
    }
    return update_state(c, draft, update->state);
}

/* From a slot to a name; an empty name frees the slot. */
static enum err update_aliases(struct namespace_change *c, struct namespace_draft *draft,
        const Api__NamespaceConfig *update)
{
    Api__NamespaceConfig *config = draft->row->config;
    size_t old = config->n_custom_search_attribute_aliases, count = old;
    Api__NamespaceConfig__CustomSearchAttributeAliasesEntry **all =
            NEW(c->arena, Api__NamespaceConfig__CustomSearchAttributeAliasesEntry *,
                    old + update->n_custom_search_attribute_aliases + 1);
    if (old) {
        memcpy(all, config->custom_search_attribute_aliases, old * sizeof(*all));
    }
    for (size_t i = 0; i < update->n_custom_search_attribute_aliases; i++) {
        Api__NamespaceConfig__CustomSearchAttributeAliasesEntry *entry =
                update->custom_search_attribute_aliases[i];
        size_t slot = 0, name = 0;
        for (; slot < count && strcmp(all[slot]->key, entry->key); slot++) {
        }
        for (; name < count && strcmp(all[name]->value, entry->value); name++) {
        }
        if (!*entry->value && slot < count) {
            memmove(&all[slot], &all[slot + 1], (--count - slot) * sizeof(*all));
        } else if (*entry->value && name == count && slot < count) {
            return fail(&c->fail, ERR_INVALID_ARGUMENT,
                    "Custom search attribute field name already allocated.");
        } else if (*entry->value && name == count) {
            if (!search_attribute_slot_type(str_from_cstr(entry->key)) ||
                    search_attribute_is_reserved(str_from_cstr(entry->value))) {
                return fail(&c->fail, ERR_INVALID_ARGUMENT,
                        "Search attribute %s is reserved by system.", entry->value);
            }
            all[count++] = entry;
        }
        draft->changed = true;
    }
    config->custom_search_attribute_aliases = all;
    config->n_custom_search_attribute_aliases = count;
    return ERR_NONE;
}

static enum err update_config(struct namespace_change *c, struct namespace_draft *draft,
        const Api__NamespaceConfig *update)
{
    if (update->workflow_execution_retention_ttl) {
        if (namespace_check_retention(
                    c->rq, update->workflow_execution_retention_ttl, draft->old->config)) {
            c->fail = c->rq->fail;
            return c->fail.err;
        }
        draft->row->config->workflow_execution_retention_ttl =
                update->workflow_execution_retention_ttl;
        draft->changed = true;
    }
    if (update->bad_binaries && namespace_add_binaries(c, draft, update->bad_binaries)) {
        return c->fail.err;
    }
    if (update->n_custom_search_attribute_aliases) {
        return update_aliases(c, draft, update);
    }
    return ERR_NONE;
}

static enum err edit_updated(struct namespace_change *c, struct namespace_draft *draft)
{
    const Api__UpdateNamespaceRequest *r = (const void *)c->rq->message;
    enum err err = draft->old ? ERR_NONE : not_found(c);
    if (!err && r->promote_namespace) {
        err = fail(&c->fail, ERR_INVALID_ARGUMENT,
                "global namespace is not enabled on this cluster, cannot update global namespace "
                "or promote local namespace: %s",
                r->namespace_);
    }
    if (!err && r->replication_config &&
            namespace_check_clusters(c->rq, r->replication_config->active_cluster_name,
                    r->replication_config->clusters, r->replication_config->n_clusters)) {
        c->fail = c->rq->fail;
        err = c->fail.err;
    }
    if (!err && r->update_info) {
        err = update_info(c, draft, r->update_info);
    }
    if (!err && r->config) {
        err = update_config(c, draft, r->config);
    }
    return err || !*r->delete_bad_binary ? err
                                         : namespace_drop_binary(c, draft, r->delete_bad_binary);
}

static void on_updated(struct namespace_change *c, const struct namespace_entry *now)
{
    struct request *rq = c->rq;
    Api__UpdateNamespaceResponse r = API__UPDATE_NAMESPACE_RESPONSE__INIT;
    Api__DescribeNamespaceResponse *d = now ? namespace_described(now, c->arena, &c->fail) : NULL;
    if (!d) {
        rq->fail = c->fail;
        request_fail(rq);
        return;
    }
    r.namespace_info = d->namespace_info;
    r.config = d->config;
    r.replication_config = d->replication_config;
    r.failover_version = d->failover_version;
    r.is_global_namespace = d->is_global_namespace;
    request_reply(rq, &r.base);
}

static void change_named(struct request *rq, const char *name,
        enum err (*edit)(struct namespace_change *c, struct namespace_draft *draft),
        void (*done)(struct namespace_change *c, const struct namespace_entry *now))
{
    if (!*name) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "Namespace not set on request.");
        request_fail(rq);
        return;
    }
    namespace_change_for(rq, str_from_cstr(name), edit, done);
}

void frontend_update_namespace(struct request *rq)
{
    change_named(rq, ((const Api__UpdateNamespaceRequest *)(const void *)rq->message)->namespace_,
            edit_updated, on_updated);
}

static enum err edit_deprecated(struct namespace_change *c, struct namespace_draft *draft)
{
    if (!draft->old) {
        return not_found(c);
    }
    if (draft->state == NAMESPACE_DELETED) {
        return fail(&c->fail, ERR_INVALID_ARGUMENT, "Invalid namespace state update.");
    }
    draft->changed = draft->state != NAMESPACE_DEPRECATED;
    draft->state = NAMESPACE_DEPRECATED;
    return ERR_NONE;
}

void frontend_deprecate_namespace(struct request *rq)
{
    change_named(rq,
            ((const Api__DeprecateNamespaceRequest *)(const void *)rq->message)->namespace_,
            edit_deprecated, namespace_on_changed);
}

/* ---- deleting ---------------------------------------------------------------------------------- */

/* NAME-deleted-ID, with as much of the id as makes it unique: the name is free at once. */
static enum err edit_deleted(struct namespace_change *c, struct namespace_draft *draft)
{
    if (!draft->old) {
        return fail_namespace_not_found(
                &c->fail, c->arena, c->name.len ? c->name : uuid_dup(c->arena, c->id));
    }
    struct str id = uuid_dup(c->arena, draft->old->id);
    for (size_t n = DELETED_SUFFIX; n <= id.len; n++) {
        struct str suffix = str_printf(c->arena, "-deleted-%.*s", (int)n, id.ptr);
        if (draft->name.len >= suffix.len &&
                str_eq(str_drop(draft->name, draft->name.len - suffix.len), suffix)) {
            break; /* it has been deleted before */
        }
        struct str name =
                str_printf(c->arena, STR_FMT STR_FMT, STR_ARG(draft->name), STR_ARG(suffix));
        if (!namespaces_by_name(c->fe->namespaces, name)) {
            draft->name = name;
            draft->changed = true;
            break;
        }
    }
    draft->changed = draft->changed || draft->state != NAMESPACE_DELETED;
    draft->state = NAMESPACE_DELETED;
    return ERR_NONE;
}

static void on_deleted(struct namespace_change *c, const struct namespace_entry *now)
{
    Api__DeleteNamespaceResponse r = API__DELETE_NAMESPACE_RESPONSE__INIT;
    if (!now) {
        c->rq->fail = c->fail;
        request_fail(c->rq);
        return;
    }
    r.deleted_namespace = str_cstr(c->arena, now->name);
    request_reply(c->rq, &r.base);
}

/* The runs stay until retention takes them: nobody can reach them by a name any more. */
void frontend_delete_namespace(struct request *rq)
{
    const Api__DeleteNamespaceRequest *r = (const void *)rq->message;
    struct namespace_change *c = NEW(&rq->call->arena, struct namespace_change, 1);
    *c = (struct namespace_change){
        .fe = rq->fe,
        .arena = &rq->call->arena,
        .rq = rq,
        .name = str_from_cstr(r->namespace_),
        .edit = edit_deleted,
        .done = on_deleted,
    };
    if (!*r->namespace_ && !*r->namespace_id) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "namespace or namespace ID is required");
        request_fail(rq);
    } else if (*r->namespace_ && *r->namespace_id) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "only one of namespace or namespace ID must be set");
        request_fail(rq);
    } else if (*r->namespace_id && !uuid_parse(str_from_cstr(r->namespace_id), &c->id)) {
        fail_namespace_not_found(&rq->fail, c->arena, str_from_cstr(r->namespace_id));
        request_fail(rq);
    } else {
        namespace_change_run(c);
    }
}
