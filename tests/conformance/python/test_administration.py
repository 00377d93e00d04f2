"""Namespaces and search attributes, as an operator's program handles them."""

from google.protobuf.duration_pb2 import Duration
from support import RPCStatusCode, eventually, refused, unique
from temporalio.api.enums.v1 import IndexedValueType, NamespaceState
from temporalio.api.namespace.v1 import NamespaceConfig, UpdateNamespaceInfo
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    DeleteNamespaceRequest,
    ListSearchAttributesRequest,
    RemoveSearchAttributesRequest,
)
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    ListNamespacesRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import RPCError

DAY = 24 * 3600


def registration(name: str, **more) -> RegisterNamespaceRequest:
    return RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=Duration(seconds=DAY), **more)


async def delete(client, name: str) -> None:
    await client.operator_service.delete_namespace(DeleteNamespaceRequest(namespace=name))


async def test_namespace_register_describe_update(place):
    service, name = place.client.workflow_service, unique("registered")
    unknown = DescribeNamespaceRequest(namespace=name)
    await refused(RPCStatusCode.NOT_FOUND, service.describe_namespace(unknown))
    given = registration(name, description="of the tests", owner_email="owner@example.com", data={"team": "blue"})
    await service.register_namespace(given)
    await refused(RPCStatusCode.ALREADY_EXISTS, service.register_namespace(given))

    described = await service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    info = described.namespace_info
    assert (info.name, info.description, info.owner_email) == (name, "of the tests", "owner@example.com")
    assert info.state == NamespaceState.NAMESPACE_STATE_REGISTERED
    assert dict(info.data) == {"team": "blue"}
    assert described.config.workflow_execution_retention_ttl.seconds == DAY
    by_id = await service.describe_namespace(DescribeNamespaceRequest(id=info.id))
    assert by_id.namespace_info.name == name

    await service.update_namespace(
        UpdateNamespaceRequest(
            namespace=name,
            update_info=UpdateNamespaceInfo(description="changed"),
            config=NamespaceConfig(workflow_execution_retention_ttl=Duration(seconds=3 * DAY)),
        )
    )
    described = await service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    assert described.namespace_info.description == "changed"
    assert described.namespace_info.owner_email == "owner@example.com"
    assert described.config.workflow_execution_retention_ttl.seconds == 3 * DAY

    names, token = set(), b""
    while True:
        page = await service.list_namespaces(ListNamespacesRequest(page_size=2, next_page_token=token))
        names |= {listed.namespace_info.name for listed in page.namespaces}
        token = page.next_page_token
        if not token:
            break
    assert {name, place.client.namespace} <= names
    await delete(place.client, name)


async def test_namespace_delete(place):
    service, name = place.client.workflow_service, unique("deleted")
    await service.register_namespace(registration(name))
    await delete(place.client, name)

    async def gone():
        try:
            await service.describe_namespace(DescribeNamespaceRequest(namespace=name))
        except RPCError as err:
            assert err.status == RPCStatusCode.NOT_FOUND, err
            return True

    await eventually("the namespace is gone", gone)


async def test_search_attribute_add_list_remove(place):
    operator, name = place.client.operator_service, unique("attributes")
    await place.client.workflow_service.register_namespace(registration(name))

    async def listed():
        return await operator.list_search_attributes(ListSearchAttributesRequest(namespace=name))

    keyword, double = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD, IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE
    await operator.add_search_attributes(
        AddSearchAttributesRequest(namespace=name, search_attributes={"Colour": keyword, "Weight": double})
    )
    found = await listed()
    assert found.custom_attributes["Colour"] == keyword
    assert found.custom_attributes["Weight"] == double
    assert found.system_attributes["WorkflowId"] == keyword
    await operator.remove_search_attributes(RemoveSearchAttributesRequest(namespace=name, search_attributes=["Colour"]))
    found = await listed()
    assert "Colour" not in found.custom_attributes
    assert found.custom_attributes["Weight"] == double
    systems = RemoveSearchAttributesRequest(namespace=name, search_attributes=["WorkflowId"])
    await refused(RPCStatusCode.INVALID_ARGUMENT, operator.remove_search_attributes(systems))
    await delete(place.client, name)
