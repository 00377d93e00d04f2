package conformance;

import static conformance.Env.*;
import static org.junit.jupiter.api.Assertions.*;

import com.google.protobuf.util.Durations;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.temporal.api.enums.v1.IndexedValueType;
import io.temporal.api.enums.v1.NamespaceState;
import io.temporal.api.namespace.v1.NamespaceConfig;
import io.temporal.api.namespace.v1.UpdateNamespaceInfo;
import io.temporal.api.operatorservice.v1.AddSearchAttributesRequest;
import io.temporal.api.operatorservice.v1.DeleteNamespaceRequest;
import io.temporal.api.operatorservice.v1.ListSearchAttributesRequest;
import io.temporal.api.operatorservice.v1.ListSearchAttributesResponse;
import io.temporal.api.operatorservice.v1.OperatorServiceGrpc;
import io.temporal.api.operatorservice.v1.OperatorServiceGrpc.OperatorServiceBlockingStub;
import io.temporal.api.operatorservice.v1.RemoveSearchAttributesRequest;
import io.temporal.api.workflowservice.v1.DescribeNamespaceRequest;
import io.temporal.api.workflowservice.v1.DescribeNamespaceResponse;
import io.temporal.api.workflowservice.v1.ListNamespacesRequest;
import io.temporal.api.workflowservice.v1.RegisterNamespaceRequest;
import io.temporal.api.workflowservice.v1.UpdateNamespaceRequest;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Namespaces and search attributes, as an operator's program handles them. */
class AdministrationTest {
  private static OperatorServiceBlockingStub operator() {
    return OperatorServiceGrpc.newBlockingStub(SERVICE.getRawChannel());
  }

  private static RegisterNamespaceRequest.Builder registration(String name) {
    return RegisterNamespaceRequest.newBuilder().setNamespace(name)
        .setWorkflowExecutionRetentionPeriod(Durations.fromDays(1));
  }

  private static DescribeNamespaceResponse describe(String name) {
    return raw().describeNamespace(DescribeNamespaceRequest.newBuilder().setNamespace(name).build());
  }

  private static void delete(String name) {
    operator().deleteNamespace(DeleteNamespaceRequest.newBuilder().setNamespace(name).build());
  }

  private static void refused(Status.Code code, Executable call) {
    assertEquals(code, assertThrows(StatusRuntimeException.class, call).getStatus().getCode());
  }

  @Test
  @DisplayName("namespace_register_describe_update: told as registered, then as updated, and in the list, and its name is taken")
  void namespaceRegisterDescribeUpdate() {
    String name = unique("registered");
    refused(Status.Code.NOT_FOUND, () -> describe(name));
    var given = registration(name).setDescription("of the tests").setOwnerEmail("owner@example.com")
        .putData("team", "blue").build();
    raw().registerNamespace(given);
    refused(Status.Code.ALREADY_EXISTS, () -> raw().registerNamespace(given));

    var info = describe(name).getNamespaceInfo();
    assertEquals(name, info.getName());
    assertEquals("of the tests", info.getDescription());
    assertEquals("owner@example.com", info.getOwnerEmail());
    assertEquals(Map.of("team", "blue"), info.getDataMap());
    assertEquals(NamespaceState.NAMESPACE_STATE_REGISTERED, info.getState());
    assertEquals(Durations.fromDays(1), describe(name).getConfig().getWorkflowExecutionRetentionTtl());
    var byId = raw().describeNamespace(DescribeNamespaceRequest.newBuilder().setId(info.getId()).build());
    assertEquals(name, byId.getNamespaceInfo().getName());

    raw().updateNamespace(UpdateNamespaceRequest.newBuilder().setNamespace(name)
        .setUpdateInfo(UpdateNamespaceInfo.newBuilder().setDescription("changed"))
        .setConfig(NamespaceConfig.newBuilder().setWorkflowExecutionRetentionTtl(Durations.fromDays(3))).build());
    var updated = describe(name);
    assertEquals("changed", updated.getNamespaceInfo().getDescription());
    assertEquals("owner@example.com", updated.getNamespaceInfo().getOwnerEmail());
    assertEquals(Durations.fromDays(3), updated.getConfig().getWorkflowExecutionRetentionTtl());

    Set<String> names = new HashSet<>();
    var request = ListNamespacesRequest.newBuilder().setPageSize(2);
    do {
      var page = raw().listNamespaces(request.build());
      page.getNamespacesList().forEach(listed -> names.add(listed.getNamespaceInfo().getName()));
      request.setNextPageToken(page.getNextPageToken());
    } while (!request.getNextPageToken().isEmpty());
    assertTrue(names.containsAll(Set.of(name, NAMESPACE)), names.toString());
    delete(name);
  }

  @Test
  @DisplayName("namespace_delete: a deleted namespace is not found any more")
  void namespaceDelete() {
    String name = unique("deleted");
    raw().registerNamespace(registration(name).build());
    delete(name);
    eventually("the namespace is gone", () -> {
      try {
        describe(name);
        return false;
      } catch (StatusRuntimeException err) {
        assertEquals(Status.Code.NOT_FOUND, err.getStatus().getCode());
        return true;
      }
    });
  }

  private static ListSearchAttributesResponse attributes(String name) {
    return operator().listSearchAttributes(ListSearchAttributesRequest.newBuilder().setNamespace(name).build());
  }

  private static void remove(String name, String attribute) {
    operator().removeSearchAttributes(
        RemoveSearchAttributesRequest.newBuilder().setNamespace(name).addSearchAttributes(attribute).build());
  }

  @Test
  @DisplayName("search_attribute_add_list_remove: listed with their types beside the system's, until they are removed")
  void searchAttributeAddListRemove() {
    String name = unique("attributes");
    raw().registerNamespace(registration(name).build());
    operator().addSearchAttributes(AddSearchAttributesRequest.newBuilder().setNamespace(name)
        .putSearchAttributes("Colour", IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD)
        .putSearchAttributes("Weight", IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE).build());
    var custom = attributes(name).getCustomAttributesMap();
    assertEquals(IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD, custom.get("Colour"));
    assertEquals(IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE, custom.get("Weight"));
    assertEquals(IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
        attributes(name).getSystemAttributesMap().get("WorkflowId"));
    remove(name, "Colour");
    custom = attributes(name).getCustomAttributesMap();
    assertFalse(custom.containsKey("Colour"));
    assertEquals(IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE, custom.get("Weight"));
    refused(Status.Code.INVALID_ARGUMENT, () -> remove(name, "WorkflowId"));
    delete(name);
  }
}
