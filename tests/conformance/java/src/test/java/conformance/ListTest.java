package conformance;

import static conformance.Env.*;
import static org.junit.jupiter.api.Assertions.*;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.temporal.api.common.v1.WorkflowExecution;
import io.temporal.api.enums.v1.WorkflowExecutionStatus;
import io.temporal.api.workflowservice.v1.ListWorkflowExecutionsRequest;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowExecutionMetadata;
import io.temporal.client.WorkflowStub;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Lists and counts of workflows: what they find, when, and what they refuse. */
class ListTest {
  private static WorkflowStub start(String queue, int i) {
    var stub = CLIENT.newUntypedWorkflowStub("Sleeper", options(queue).setWorkflowId(queue + "-" + i).build());
    stub.start();
    return stub;
  }

  private static List<WorkflowStub> startMany(String queue, int count) {
    return IntStream.range(0, count).mapToObj(i -> start(queue, i)).toList();
  }

  private static List<String> ids(WorkflowClient client, String query) {
    return client.listExecutions(query).map(e -> e.getExecution().getWorkflowId()).toList();
  }

  private static List<WorkflowExecution> inPages(String query, int pageSize) {
    List<WorkflowExecution> found = new ArrayList<>();
    var request = ListWorkflowExecutionsRequest.newBuilder()
        .setNamespace(NAMESPACE).setQuery(query).setPageSize(pageSize);
    do {
      var page = raw().listWorkflowExecutions(request.build());
      assertTrue(page.getExecutionsCount() <= pageSize, "a page of " + page.getExecutionsCount());
      page.getExecutionsList().forEach(info -> found.add(info.getExecution()));
      request.setNextPageToken(page.getNextPageToken());
    } while (!request.getNextPageToken().isEmpty());
    return found;
  }

  @Test
  @DisplayName("list_workflows: all of a task queue are listed, each once, over pages, with what describes them")
  void listWorkflows() {
    String queue = unique("listed"), query = "TaskQueue = '" + queue + "'";
    var stubs = startMany(queue, 5);
    var runs = stubs.stream().map(WorkflowStub::getExecution).collect(Collectors.toSet());
    List<WorkflowExecutionMetadata> found = CLIENT.listExecutions(query).toList();
    assertEquals(5, found.size());
    assertEquals(runs, found.stream().map(WorkflowExecutionMetadata::getExecution).collect(Collectors.toSet()));
    var paged = inPages(query, 2);
    assertEquals(5, paged.size());
    assertEquals(runs, Set.copyOf(paged));
    for (var entry : found) {
      assertEquals("Sleeper", entry.getWorkflowType());
      assertEquals(queue, entry.getTaskQueue());
      assertEquals(WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING, entry.getStatus());
      assertNotNull(entry.getStartTime());
      assertNull(entry.getCloseTime());
    }
    stubs.forEach(stub -> stub.terminate("test ends"));
    found = CLIENT.listExecutions(query).toList();
    assertEquals(5, found.size());
    assertEquals(runs, found.stream().map(WorkflowExecutionMetadata::getExecution).collect(Collectors.toSet()));
    for (var entry : found) {
      assertEquals(WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED, entry.getStatus());
      assertNotNull(entry.getCloseTime());
    }
  }

  @Test
  @DisplayName("list_by_search_attribute: found by the values given at start, and told with them and the memo")
  void listBySearchAttribute() {
    addSearchAttributes();
    String queue = unique("searched"), mine = KEYWORD.getName() + " = '" + queue + "'";
    for (int i = 7; i <= 8; i++) {
      CLIENT.newUntypedWorkflowStub("Sleeper", options(queue).setWorkflowId(queue + "-" + i)
          .setTypedSearchAttributes(StartTest.attributes(queue, i)).setMemo(Map.of("size", i)).build()).start();
    }
    String first = queue + "-7", second = queue + "-8", number = NUMBER.getName();
    assertEquals(Set.of(first, second), Set.copyOf(ids(CLIENT, mine)));
    assertEquals(List.of(first), ids(CLIENT, mine + " AND " + number + " < 8"));
    assertEquals(List.of(), ids(CLIENT, mine + " AND " + number + " > 8"));
    var found = CLIENT.listExecutions(mine + " AND " + number + " BETWEEN 8 AND 9").toList();
    assertEquals(1, found.size());
    assertEquals(second, found.get(0).getExecution().getWorkflowId());
    assertEquals(queue, found.get(0).getTypedSearchAttributes().get(KEYWORD));
    assertEquals(8, found.get(0).getTypedSearchAttributes().get(NUMBER));
    assertEquals(8, found.get(0).getMemo("size", Integer.class));
    byId(first).terminate("test ends");
    byId(second).terminate("test ends");
  }

  @Test
  @DisplayName("list_reads_own_writes: the next list, through another frontend, sees a start and an end")
  void listReadsOwnWrites() {
    String queue = unique("seen");
    var service = connectWorkers();
    try {
      var other = newClient(service);
      for (int i = 0; i < 10; i++) {
        var stub = start(queue, i);
        String id = queue + "-" + i, status = "WorkflowId = '" + id + "' AND ExecutionStatus = ";
        assertEquals(List.of(id), ids(other, status + "'Running'"));
        stub.terminate("seen");
        assertEquals(List.of(), ids(other, status + "'Running'"));
        assertEquals(List.of(id), ids(other, status + "'Terminated'"));
      }
    } finally {
      service.shutdownNow();
    }
  }

  private static void invalid(Throwable err) {
    while (!(err instanceof StatusRuntimeException) && err.getCause() != null) err = err.getCause();
    Status status = assertInstanceOf(StatusRuntimeException.class, err).getStatus();
    assertEquals(Status.Code.INVALID_ARGUMENT, status.getCode());
    assertTrue(status.getDescription().startsWith("invalid query"), status.getDescription());
  }

  @Test
  @DisplayName("list_invalid_query: refused as an invalid query by lists and counts")
  void listInvalidQuery() {
    for (String query : List.of("Nobody = 'x'", "WorkflowId = ", "StartTime > 'yesterday'")) {
      invalid(assertThrows(RuntimeException.class, () -> ids(CLIENT, query)));
      invalid(assertThrows(RuntimeException.class, () -> CLIENT.countWorkflows(query)));
    }
  }

  @Test
  @DisplayName("count_workflows: those that the query finds, and none")
  void countWorkflows() {
    String queue = unique("counted"), mine = "TaskQueue = '" + queue + "'";
    var stubs = startMany(queue, 3);
    assertEquals(3, CLIENT.countWorkflows(mine).getCount());
    stubs.get(0).terminate("one less");
    assertEquals(2, CLIENT.countWorkflows(mine + " AND ExecutionStatus = 'Running'").getCount());
    assertEquals(0, CLIENT.countWorkflows(mine + " AND WorkflowType = 'Nobody'").getCount());
    stubs.subList(1, 3).forEach(stub -> stub.terminate("test ends"));
  }

  @Test
  @DisplayName("count_grouped_by_status: one group for each status, with its number")
  void countGroupedByStatus() {
    String queue = unique("grouped");
    var stubs = startMany(queue, 3);
    stubs.subList(1, 3).forEach(stub -> stub.terminate("counted"));
    var counted = CLIENT.countWorkflows("TaskQueue = '" + queue + "' GROUP BY ExecutionStatus");
    assertEquals(3, counted.getCount());
    var groups = counted.getGroups().stream()
        .collect(Collectors.toMap(g -> String.valueOf(g.getGroupValues()), g -> g.getCount()));
    assertEquals(Map.of("[[Running]]", 1L, "[[Terminated]]", 2L), groups);
    stubs.get(0).terminate("test ends");
  }
}
