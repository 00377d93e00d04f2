/* OperatorService and what belongs to it: search attributes of a namespace, the list of clusters. An attribute lives
 * in the aliases of its namespace's configuration, as the API shows them: from a slot, whose name tells the type, to
 * the name that clients use. */
#include "common/api/capabilities.h"
#include "common/api/codec.h"
#include "common/api/errors.h"
#include "frontend/namespace_change.h"

/* ---- adding and removing ------------------------------------------------------------------------ */

static bool is_taken(const Api__NamespaceConfig *config, struct str slot)
{
    for (size_t i = 0; i < config->n_custom_search_attribute_aliases; i++) {
        if (str_eq(slot, str_from_cstr(config->custom_search_attribute_aliases[i]->key))) {
            return true;
        }
    }
    return false;
}

enum err namespace_add_attribute(struct namespace_change *c, struct namespace_draft *draft,
        const struct search_attribute *attribute)
{
    Api__NamespaceConfig *config = draft->row->config;
    size_t count = config->n_custom_search_attribute_aliases;
    const char *type = search_attribute_type_name(attribute->type);
    for (size_t i = 0; i < count; i++) {
        if (str_eq(attribute->name,
                    str_from_cstr(config->custom_search_attribute_aliases[i]->value))) {
            return ERR_NONE;
        }
    }
    for (unsigned n = 1; type && n <= SEARCH_ATTRIBUTE_SLOTS; n++) {
        struct str slot = search_attribute_slot(c->arena, attribute->type, n);
        if (is_taken(config, slot)) {
            continue;
        }
        Api__NamespaceConfig__CustomSearchAttributeAliasesEntry **all =
                NEW(c->arena, Api__NamespaceConfig__CustomSearchAttributeAliasesEntry *, count + 1);
        if (count) {
            memcpy(all, config->custom_search_attribute_aliases, count * sizeof(*all));
        }
        all[count] = api_new(c->arena,
                &api__namespace_config__custom_search_attribute_aliases_entry__descriptor);
        all[count]->key = slot.ptr;
        all[count]->value = str_cstr(c->arena, attribute->name);
        config->custom_search_attribute_aliases = all;
        config->n_custom_search_attribute_aliases = count + 1;
        draft->changed = true;
        return ERR_NONE;
    }
    return fail(&c->fail, ERR_INVALID_ARGUMENT,
            "Unable to create search attributes: cannot have more than %d search attribute of "
            "type %s.",
            type ? SEARCH_ATTRIBUTE_SLOTS : 0, type ? type : "Unspecified");
}

static bool has_namespace(struct request *rq, const char *name)
{
    if (!*name) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "Namespace is not set on request.");
    }
    return *name;
}

static enum err check_addition(struct request *rq, const Api__AddSearchAttributesRequest *r)
{
    if (!r->n_search_attributes) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "SearchAttributes are not set on request.");
    }
    for (size_t i = 0; i < r->n_search_attributes; i++) {
        struct str name = str_from_cstr(r->search_attributes[i]->key);
        int type = (int)r->search_attributes[i]->value;
        if (search_attribute_is_reserved(name)) {
            return fail(&rq->fail, ERR_INVALID_ARGUMENT,
                    "Search attribute " STR_FMT " is reserved by system.", STR_ARG(name));
        }
        if (!name.len || name.len > (size_t)rq->fe->shared->config->limit_id) {
            return fail(&rq->fail, ERR_INVALID_ARGUMENT,
                    "The name of a search attribute is empty or too long.");
        }
        if (type && !search_attribute_type_name((enum search_attribute_type)type)) {
            return fail(
                    &rq->fail, ERR_INVALID_ARGUMENT, "Unknown search attribute type: %d.", type);
        }
    }
    return has_namespace(rq, r->namespace_) ? ERR_NONE : rq->fail.err;
}

static enum err not_found(struct namespace_change *c)
{
    return fail_namespace_not_found(&c->fail, c->arena, c->name);
}

static enum err edit_added(struct namespace_change *c, struct namespace_draft *draft)
{
    const Api__AddSearchAttributesRequest *r = (const void *)c->rq->message;
    enum err err = draft->old ? ERR_NONE : not_found(c);
    for (size_t i = 0; !err && i < r->n_search_attributes; i++) {
        struct search_attribute a = { str_from_cstr(r->search_attributes[i]->key),
            (enum search_attribute_type)r->search_attributes[i]->value };
        err = namespace_add_attribute(c, draft, &a);
    }
    return err;
}

void frontend_add_search_attributes(struct request *rq)
{
    const Api__AddSearchAttributesRequest *r = (const void *)rq->message;
    if (check_addition(rq, r)) {
        request_fail(rq);
        return;
    }
    namespace_change_for(rq, str_from_cstr(r->namespace_), edit_added, namespace_on_changed);
}

static enum err edit_removed(struct namespace_change *c, struct namespace_draft *draft)
{
    const Api__RemoveSearchAttributesRequest *r = (const void *)c->rq->message;
    Api__NamespaceConfig *config = draft->old ? draft->row->config : NULL;
    static const struct search_attributes none;
    if (!config) {
        return not_found(c);
    }
    for (size_t i = 0; i < r->n_search_attributes; i++) {
        enum search_attribute_type type;
        const char *name = r->search_attributes[i];
        size_t count = config->n_custom_search_attribute_aliases, at = 0;
        Api__NamespaceConfig__CustomSearchAttributeAliasesEntry **all =
                config->custom_search_attribute_aliases;
        for (; at < count && strcmp(all[at]->value, name); at++) {
        }
        if (at < count) {
            memmove(&all[at], &all[at + 1], (count - at - 1) * sizeof(*all));
            config->n_custom_search_attribute_aliases--;
            draft->changed = true;
        } else if (search_attribute_find(&none, str_from_cstr(name), &type)) {
            return fail(&c->fail, ERR_INVALID_ARGUMENT,
                    "Unable to remove non-custom search attributes: %s.", name);
        }
    }
    return ERR_NONE;
}

void frontend_remove_search_attributes(struct request *rq)
{
    const Api__RemoveSearchAttributesRequest *r = (const void *)rq->message;
    if (!r->n_search_attributes) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "SearchAttributes are not set on request.");
        request_fail(rq);
    } else if (!has_namespace(rq, r->namespace_)) {
        request_fail(rq);
    } else {
        namespace_change_for(rq, str_from_cstr(r->namespace_), edit_removed, namespace_on_changed);
    }
}

/* ---- listing ----------------------------------------------------------------------------------- */

static void list(struct request *rq)
{
    const Api__ListSearchAttributesRequest *ask = (const void *)rq->message;
    struct arena *arena = &rq->call->arena;
    const struct namespace_entry *ns =
            namespaces_by_name(rq->fe->namespaces, str_from_cstr(ask->namespace_));
    Api__ListSearchAttributesResponse r = API__LIST_SEARCH_ATTRIBUTES_RESPONSE__INIT;
    VEC(Api__ListSearchAttributesResponse__SystemAttributesEntry *) builtin = { 0 };
    struct search_attribute a;
    enum search_attribute_kind kind;
    if (!ns) {
        fail_namespace_not_found(&rq->fail, arena, str_from_cstr(ask->namespace_));
        request_fail(rq);
        return;
    }
    for (size_t i = 0; search_attribute_builtin(i, &a, &kind); i++) {
        Api__ListSearchAttributesResponse__SystemAttributesEntry *e = api_new(
                arena, &api__list_search_attributes_response__system_attributes_entry__descriptor);
        e->key = a.name.ptr;
        e->value = (Api__IndexedValueType)a.type;
        vec_push(arena, &builtin, e);
    }
    size_t count = ns->search_attributes.count;
    r.custom_attributes =
            NEW(arena, Api__ListSearchAttributesResponse__CustomAttributesEntry *, count + 1);
    for (size_t i = 0; i < count; i++) {
        Api__ListSearchAttributesResponse__CustomAttributesEntry *e = api_new(
                arena, &api__list_search_attributes_response__custom_attributes_entry__descriptor);
        e->key = str_cstr(arena, ns->search_attributes.custom[i].name);
        e->value = (Api__IndexedValueType)ns->search_attributes.custom[i].type;
        r.custom_attributes[i] = e;
    }
    r.n_custom_attributes = count;
    r.system_attributes = builtin.ptr;
    r.n_system_attributes = builtin.len;
    request_reply(rq, &r.base);
}

void frontend_list_search_attributes(struct request *rq)
{
    const Api__ListSearchAttributesRequest *r = (const void *)rq->message;
    if (!has_namespace(rq, r->namespace_)) {
        request_fail(rq);
        return;
    }
    request_await_namespaces(rq, list);
}

/* Of the whole cluster: what a namespace has registered is not told here. */
void frontend_get_search_attributes(struct request *rq)
{
    struct arena *arena = &rq->call->arena;
    Api__GetSearchAttributesResponse r = API__GET_SEARCH_ATTRIBUTES_RESPONSE__INIT;
    VEC(Api__GetSearchAttributesResponse__KeysEntry *) all = { 0 };
    struct search_attribute a;
    enum search_attribute_kind kind;
    for (size_t i = 0; search_attribute_builtin(i, &a, &kind); i++) {
        Api__GetSearchAttributesResponse__KeysEntry *e =
                api_new(arena, &api__get_search_attributes_response__keys_entry__descriptor);
        e->key = a.name.ptr;
        e->value = (Api__IndexedValueType)a.type;
        vec_push(arena, &all, e);
    }
    r.keys = all.ptr;
    r.n_keys = all.len;
    request_reply(rq, &r.base);
}

/* ---- clusters ---------------------------------------------------------------------------------- */

void frontend_list_clusters(struct request *rq)
{
    struct arena *arena = &rq->call->arena;
    Api__ListClustersResponse r = API__LIST_CLUSTERS_RESPONSE__INIT;
    Api__ClusterMetadata cluster = API__CLUSTER_METADATA__INIT;
    Api__ClusterMetadata *clusters[] = { &cluster };
    struct uuid id = cluster_id(rq->fe->cl);
    cluster.cluster_name = "active";
    cluster.cluster_id = uuid_dup(arena, id).ptr;
    cluster.address = str_cstr(arena, rq->fe->shared->config->frontend_listen);
    cluster.initial_failover_version = 1;
    cluster.history_shard_count = SHARD_COUNT;
    cluster.is_connection_enabled = true;
    r.clusters = clusters;
    r.n_clusters = 1;
    request_reply(rq, &r.base);
}
